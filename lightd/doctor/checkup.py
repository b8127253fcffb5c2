"""All checks at once, each for a while: what hangs is a line of the report, and keeps no other waiting."""

from collections.abc import Awaitable, Callable, Mapping

import attrs
import trio

from lightd.doctor.finding import Area, Finding, Tell
from lightd.doctor.subject import Subject
from lightd.leaves import leaves

SECONDS = 6.0


@attrs.frozen
class Check:
    """Looks at one area; ``slow`` is what mends it where it doesn't come to an end."""

    look: Callable[[Subject, Tell], Awaitable[None]]
    slow: str
    needs_configuration: bool = True


async def examine(checks: Mapping[str, Check], subject: Subject, seconds: float = SECONDS) -> list[Finding]:
    """What the checks find, in their order."""
    found: dict[str, list[Finding]] = {area: [] for area in checks}
    async with trio.open_nursery() as nursery:
        for area, check in checks.items():
            nursery.start_soon(_examine, Area(area), check, subject, found[area].append, seconds)
    return [finding for findings in found.values() for finding in findings]


async def _examine(area: Area, check: Check, subject: Subject, tell: Tell, seconds: float) -> None:
    if check.needs_configuration and subject.configuration is None:
        tell(area.unseen("configuration", "not looked at: the configuration can't be used"))
        return
    with trio.move_on_after(seconds) as patience:
        try:
            await check.look(subject, tell)
        except Exception as error:  # noqa: BLE001 - one check that breaks is a line, and the others go on
            first = leaves(error)[0]
            tell(area.unseen("check", f"could not be looked at: {type(first).__name__}: {first}"))
    if patience.cancelled_caught:
        tell(area.bad("time", f"gives no answer within {seconds:g} seconds", check.slow))
