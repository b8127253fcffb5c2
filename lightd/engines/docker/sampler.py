"""Counters of many containers at once: one thread hop for all, whatever their number.

A container's pid is asked for once a life, unless an inspection has shown it. Where the kernel's files can't
be read (a daemon that runs in a container itself), Docker's one-shot statistics take their place, for all of
them at the same time, as each waits for the engine's tick of a second.

A container that the engine doesn't answer about within ``PATIENCE`` seconds has no counters for a while, so
that the others have theirs.
"""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

import attrs
import trio

from actors.container.engine import EngineUnavailable, Sample
from lightd.engines.docker import translate
from lightd.engines.docker.calls import Calls
from lightd.engines.host import cgroups

T = TypeVar("T")

PATIENCE = 3.0
ASK_AGAIN = 30.0


@attrs.define(eq=False)
class Sampler:
    """Reads counters; remembers only the pids of those it was asked for last."""

    _calls: Calls
    _pids: dict[str, int] = attrs.field(factory=dict)
    _silent: dict[str, float] = attrs.field(factory=dict)

    def learn(self, engine_id: str, pid: int) -> None:
        """Know the pid of a running container without asking for it."""
        self._pids[engine_id] = pid

    async def sample(self, engine_ids: Sequence[str]) -> Mapping[str, Sample]:
        """The counters of those that run."""
        known = {engine_id: self._pids[engine_id] for engine_id in engine_ids if engine_id in self._pids}
        samples = await trio.to_thread.run_sync(cgroups.read_samples, known)
        # The others are new, began another life, or ended.
        fresh = await self._each(self._find_pid, [name for name in engine_ids if name not in samples])
        if fresh:
            samples |= await trio.to_thread.run_sync(cgroups.read_samples, fresh)
        hidden = [engine_id for engine_id in fresh if engine_id not in samples]
        self._pids = {name: pid for name, pid in (known | fresh).items() if name in samples}
        if hidden:
            samples |= await self._each(self._ask, hidden)
        return samples

    async def _find_pid(self, engine_id: str) -> int | None:
        found = await self._calls.get(translate.to_container_path(engine_id, "json"))
        return found["State"]["Pid"] or None if found["State"]["Running"] else None

    async def _ask(self, engine_id: str) -> Sample | None:
        stats = await self._calls.get(
            translate.to_container_path(engine_id, "stats"), **{"stream": "0", "one-shot": "1"}
        )
        if not stats.get("memory_stats"):
            return None  # it has just ended
        host_memory = await trio.to_thread.run_sync(cgroups.read_host_memory)
        return translate.to_sample(stats, time.monotonic(), host_memory)

    async def _each(
        self, ask: Callable[[str], Awaitable[T | None]], engine_ids: Sequence[str]
    ) -> dict[str, T]:
        """What ``ask`` says of each, asked at the same time; those left out that it has nothing to say of."""
        found: dict[str, T] = {}
        faults: list[EngineUnavailable] = []
        now = trio.current_time()
        self._silent = {name: until for name, until in self._silent.items() if until > now}

        async def one(engine_id: str) -> None:
            answer: T | None = None
            try:
                with trio.move_on_after(PATIENCE) as patience:
                    answer = await ask(engine_id)
                if patience.cancelled_caught:
                    self._silent[engine_id] = now + ASK_AGAIN
            except translate.Refused:
                return  # gone
            except EngineUnavailable as fault:
                faults.append(fault)
                return
            if answer is not None:
                found[engine_id] = answer

        async with trio.open_nursery() as nursery:
            for engine_id in engine_ids:
                if engine_id not in self._silent:
                    nursery.start_soon(one, engine_id)
        if faults:
            raise faults[0]
        return found
