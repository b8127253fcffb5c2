"""The meter: at an interval, one call to the engine for the statistics of all that runs."""

import trio

from actors.container.engine import EngineUnavailable, Sample
from actors.container.fleet import Fleet, Member
from actors.container.stats import to_stats


async def measure(fleet: Fleet, interval: float) -> None:
    """Set every running container's stats each ``interval`` seconds, for ever."""
    before: dict[str, Sample] = {}
    while True:
        await trio.sleep(interval)
        running = {
            member.state.engine_id: member
            for member in fleet
            if member.state.traits.up and member.state.engine_id is not None
        }
        if not running:
            before = {}
            continue
        try:
            samples = await fleet.engine.sample(tuple(running))
        except EngineUnavailable:
            continue
        for engine_id, sample in samples.items():
            _show(running[engine_id], before.get(engine_id), sample, fleet.clock())
        before = dict(samples)


def _show(member: Member, before: Sample | None, sample: Sample, now: float) -> None:
    if member.state.traits.up:
        member.stats.set(to_stats(before, sample, now - (member.state.started_at or now)))
