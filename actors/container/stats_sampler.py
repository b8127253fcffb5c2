"""The sampler: at an interval, one call to the engine for the statistics of all that runs.

The history of each container is made from the same samples.
"""

import trio

from actors.container.engine import EngineUnavailable, Sample
from actors.container.fleet import Fleet, Member
from actors.container.stats import to_stats


async def measure(fleet: Fleet, interval: float) -> None:
    """Set every running container's stats each ``interval`` seconds, until cancelled."""
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
        stats = to_stats(before, sample, now - (member.state.started_at or now))
        member.stats.set(stats)
        member.history.add(now, stats, sample.pids)
