"""The log of an installation: what its installer printed, apart from the console that it is a part of.

The lines are those of the console since the installer began. They are stored when it has ended, or is ended,
and then survive whatever the server prints.
"""

import attrs

from actors.container.console.console import STEP, Console
from actors.container.console.log import Installing, InstallLog, Numbered

LINES = 10_000
SIZE = 512 * 1024
"""The newest lines of an installer, and their characters, that are kept."""


async def read(console: Console) -> InstallLog | None:
    """Return what the last installer printed, also while it runs; None if there was none."""
    if console.installing is not None:
        return await _to_log(console, console.installing)
    return None if console.keeper is None else await console.keeper.installation(console)


async def keep(console: Console, ended: InstallLog) -> None:
    """Store what the present installer printed, with the times and the exit code of ``ended``."""
    if console.keeper is None or console.installing is None:
        return
    found = await _to_log(console, console.installing)
    log = attrs.evolve(ended, lines=found.lines, left_out=found.left_out)
    await console.keeper.keep_installation(
        console, log if log.began_at is not None else attrs.evolve(log, began_at=found.began_at)
    )


async def _to_log(console: Console, installing: Installing) -> InstallLog:
    after, numbered, size = installing.after, list[Numbered](), 0
    count = console.lines.last - after
    lines = await console.end(min(count, LINES)) if count else []
    for index, line in enumerate(reversed(lines)):
        if not index % STEP:
            await console.turns.next()
        size += len(line.text)
        if size > SIZE or line.number <= after:
            break
        numbered.append(Numbered(line.number - after, line.text, line.at))
    numbered.reverse()
    return InstallLog(installing.attempt, numbered, count - len(numbered), installing.began_at)
