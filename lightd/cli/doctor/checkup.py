"""Runs all checks concurrently, each with a timeout: a check that hangs does not delay the others."""

from collections.abc import Awaitable, Callable, Mapping

import attrs
import trio

from lightd.cli.doctor.finding import Area, Finding, Tell
from lightd.cli.doctor.subject import Subject
from lightd.cli.exception_groups import leaves

SECONDS = 6.0


@attrs.frozen
class Check:
    """Checks one area; ``slow`` says how to fix a check that times out."""

    look: Callable[[Subject, Tell], Awaitable[None]]
    slow: str
    needs_configuration: bool = True


async def examine(checks: Mapping[str, Check], subject: Subject, seconds: float = SECONDS) -> list[Finding]:
    """The findings of all checks, in the order of ``checks``."""
    found: dict[str, list[Finding]] = {area: [] for area in checks}
    async with trio.open_nursery() as nursery:
        for area, check in checks.items():
            nursery.start_soon(_examine, Area(area), check, subject, found[area].append, seconds)
    return [finding for findings in found.values() for finding in findings]


async def _examine(area: Area, check: Check, subject: Subject, tell: Tell, seconds: float) -> None:
    if check.needs_configuration and subject.configuration is None:
        tell(area.unseen("configuration", "skipped: the configuration is not valid"))
        return
    with trio.move_on_after(seconds) as patience:
        try:
            await check.look(subject, tell)
        except Exception as error:  # noqa: BLE001 - a broken check is reported, and the others continue
            first = leaves(error)[0]
            tell(area.unseen("check", f"the check failed: {type(first).__name__}: {first}"))
    if patience.cancelled_caught:
        tell(area.bad("time", f"no answer within {seconds:g} seconds", check.slow))
