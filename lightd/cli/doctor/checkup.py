"""Runs the checks, each with a limit for the time without a finding; one that hangs does not delay others.

A slow machine is no fault. The limit is counted in ticks of the event loop, and those that are late because
the machine is busy do not count. A check that has found something before it took too long is slow, and its
last finding says so; only one that has found nothing at all hangs. Checks that compute run after those that
wait for others.
"""

from collections.abc import Awaitable, Callable, Mapping

import attrs
import trio

from lightd.cli.doctor.finding import Area, Finding, Tell
from lightd.cli.doctor.subject import Subject
from lightd.cli.exception_groups import leaves

SECONDS = 15.0
TICKS = 30
LATE = 2.0
"""A tick that takes so many times as long as it should does not count."""
LONGEST = 4
"""The limit is at most so many times as long."""


@attrs.frozen
class Check:
    """Checks one area; ``slow`` says how to fix a check that hangs. One that ``computes`` runs last."""

    look: Callable[[Subject, Tell], Awaitable[None]]
    slow: str
    needs_configuration: bool = True
    computes: bool = False


async def examine(checks: Mapping[str, Check], subject: Subject, seconds: float = SECONDS) -> list[Finding]:
    """The findings of all checks, in the order of ``checks``."""
    found: dict[str, list[Finding]] = {area: [] for area in checks}
    for computes in (False, True):
        async with trio.open_nursery() as nursery:
            for area, check in checks.items():
                if check.computes is computes:
                    nursery.start_soon(_examine, Area(area), check, subject, found[area], seconds)
    return [finding for findings in found.values() for finding in findings]


async def _examine(area: Area, check: Check, subject: Subject, found: list[Finding], seconds: float) -> None:
    if check.needs_configuration and subject.configuration is None:
        found.append(area.unseen("configuration", "skipped: the configuration is not valid"))
        return
    complete = False
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_limit, nursery.cancel_scope, found, seconds)
        try:
            await check.look(subject, found.append)
        except Exception as error:  # noqa: BLE001 - a broken check is reported, and the others continue
            first = leaves(error)[0]
            found.append(area.unseen("check", f"the check failed: {type(first).__name__}: {first}"))
        complete = True
        nursery.cancel_scope.cancel()
    if complete:
        return
    if found:
        text = f"stopped after {seconds:g} seconds without a further result: this machine may be too busy"
        found.append(area.unseen("time", text))
    else:
        found.append(area.bad("time", f"no answer within {seconds:g} seconds", check.slow))


async def _limit(scope: trio.CancelScope, found: list[Finding], seconds: float) -> None:
    """Cancel ``scope`` after ``seconds`` without a new finding."""
    tick, ticks, every, known = seconds / TICKS, 0, 0, 0
    while ticks < TICKS and every < LONGEST * TICKS:
        began = trio.current_time()
        await trio.sleep(tick)
        every += 1
        ticks += trio.current_time() - began < LATE * tick
        if len(found) > known:
            known, ticks, every = len(found), 0, 0
    scope.cancel()
