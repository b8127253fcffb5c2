"""Which processes ended because Docker or the host was shut down, and not by themselves.

Docker does not report it. What is known is when a process began and ended, when the host was booted, when
``dockerd`` began (from its pid, else from the time when it made its network ``bridge``), and when lightd lost
its connection to it. A process that began before the present ``dockerd`` did

- can't have outlived a reboot of the host;
- was ended by ``dockerd`` as it began, if it ended then: after a crash of ``dockerd`` or of the host. With
  live-restore it outlives ``dockerd``, unless it was found dead and nobody had seen its end;
- ended before that, in an orderly shutdown or by itself. lightd was connected: in the shutdown if it ended
  before the connection did, as ``dockerd`` waits for its containers; by itself if after that. lightd was not
  connected: in the shutdown if its exit code is one of a process that was told to end.

While ``dockerd`` shuts down it still answers on old connections, but accepts no new ones. An end that is seen
then can't be judged: ``judge`` opens a new connection and raises ``EngineUnavailable``.

Other engines, such as Podman, have no process that containers depend on: there only a reboot counts.
"""

import signal
from collections.abc import Collection
from pathlib import Path
from typing import Final

import attrs

from actors.container.engine import EngineUnavailable, Snapshot
from lightd.engines.docker import calls, streams, translate
from lightd.engines.docker.translate import Refused
from lightd.engines.host import start_times
from lightd.engines.host.start_times import SETTLING

UNKNOWN: Final = 255
"""Docker's exit code for a process whose end nobody saw."""

_SIGNALLED: Final = 128
_SIGNALS: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGKILL, signal.SIGTERM)
SHUTDOWN_EXIT_CODES: Final = frozenset({0, UNKNOWN, *(_SIGNALLED + end for end in _SIGNALS)})
"""Exit codes of processes that may have been told to end."""


@attrs.frozen
class EngineRun:
    """The present run of the engine; times in Unix seconds.

    ``began_at`` is None if that is not known, ``restores`` is true with live-restore. ``lost_at`` is when
    lightd lost its connection to the run before, None if it had none.
    """

    booted_at: float
    began_at: float | None = None
    restores: bool = False
    lost_at: float | None = None


def is_interrupted(ended: Snapshot, engine_run: EngineRun) -> bool:
    """Return whether the engine or the host ended this process. Pure."""
    if ended.started_at is None or ended.finished_at is None:
        return False
    began_at = (
        engine_run.booted_at
        if engine_run.began_at is None
        else max(engine_run.booted_at, engine_run.began_at)
    )
    if ended.started_at >= began_at:
        return False
    rebooted, unseen = ended.started_at < engine_run.booted_at, ended.exit_code == UNKNOWN
    if ended.finished_at >= began_at:
        return unseen or (ended.finished_at < began_at + SETTLING and (rebooted or not engine_run.restores))
    if rebooted or engine_run.restores:
        return rebooted
    if engine_run.lost_at is not None and engine_run.lost_at > ended.started_at:
        return ended.finished_at <= engine_run.lost_at
    no_memory = ended.oom_killed and ended.exit_code == _SIGNALLED + signal.SIGKILL
    return ended.exit_code in SHUTDOWN_EXIT_CODES and not no_memory


@attrs.define(eq=False)
class Interruptions:
    """Determines for each process that has ended whether it was interrupted; once for each process."""

    _socket_path: str
    _calls: calls.Calls
    lost_at: float | None = None
    _judged: dict[str, tuple[float, bool]] = attrs.field(factory=dict)

    async def judge(self, ended: Snapshot) -> Snapshot:
        """Return the snapshot of a process that has ended, with ``interrupted``.

        Raises ``EngineUnavailable`` while the engine shuts down.
        """
        if ended.started_at is None:
            return ended
        at, interrupted = self._judged.get(ended.engine_id, (None, False))
        if at != ended.started_at:
            try:
                engine_run = await self._to_engine_run(ended.started_at)
            except Refused as no:  # while it starts, too: asked again at the next look
                raise EngineUnavailable(f"Docker does not describe itself: {no.message}") from None
            interrupted = is_interrupted(ended, engine_run)
            self._judged[ended.engine_id] = ended.started_at, interrupted
        return attrs.evolve(ended, interrupted=interrupted)

    def keep(self, engine_ids: Collection[str]) -> None:
        """Forget all other containers, also those that others removed."""
        self._judged = {key: judged for key, judged in self._judged.items() if key in engine_ids}

    async def _to_engine_run(self, started_at: float) -> EngineRun:
        """Return what is needed of the engine's run to judge a process that began at ``started_at``."""
        pid = await streams.ping(self._socket_path)
        booted_at, began_at = start_times.booted_at(), self._look_for_dockerd(pid)
        if began_at is None:
            began_at = await self._to_bridge()
        restores = began_at is not None and started_at < began_at and await self._restores()
        return EngineRun(booted_at, began_at, restores, self.lost_at)

    def _look_for_dockerd(self, pid: int) -> float | None:
        """Return when ``dockerd`` began: the process at the socket, or that of the file beside the socket."""
        found = start_times.process_started_at(pid, "dockerd")
        if found is not None:
            return found
        try:
            return start_times.process_started_at(
                int(Path(self._socket_path).with_name("docker.pid").read_text()), "dockerd"
            )
        except (OSError, ValueError):
            return None

    async def _to_bridge(self) -> float | None:
        try:
            bridge = await self._calls.get("networks/bridge")
        except Refused:
            return None
        return translate.to_seconds(bridge["Created"])

    async def _restores(self) -> bool:
        """Return whether live-restore is on."""
        return bool((await self._calls.get("info"))["LiveRestoreEnabled"])
