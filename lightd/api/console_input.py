"""Lines for the stdin of a container's process, as a WebSocket frame or a request gives them."""

from typing import Final

import attrs

from actors.container.console.lines import to_input
from lightd.api import bodies
from lightd.api.errors import bad_request

LONGEST_TTY_LINE = 4095  # bytes, its end included: N_TTY_BUF_SIZE - 1, Linux's n_tty(4)
MOST_COMMANDS = 20
"""Commands of one request: as many as can be sent at once (``lightd.access.rates.SENDING``)."""


ABSENT: Final = "\0"
"""The default of a command: none that is given contains a NUL character."""


@attrs.frozen
class CommandBody:
    """Lines for the process: ``command`` or ``commands``."""

    command: bodies.Text = ABSENT
    commands: tuple[bodies.Text, ...] = (ABSENT,)


def to_lines(body: CommandBody, *, tty: bool) -> list[bytes]:
    """Return the lines of input that ``body`` means, at least one; raises a 400."""
    if body.commands == (ABSENT,):
        if body.command == ABSENT:
            raise bad_request("command: is missing")
        return [to_line(body.command, tty=tty)]
    if body.command != ABSENT:
        raise bad_request("commands: cannot be combined with command")
    if not 1 <= len(body.commands) <= MOST_COMMANDS:
        raise bad_request(
            f"commands: must be between 1 and {MOST_COMMANDS} commands (got {len(body.commands)})"
        )
    return [to_line(each, f"commands[{index}]", tty=tty) for index, each in enumerate(body.commands)]


def to_line(command: str, field: str = "command", *, tty: bool) -> bytes:
    """Return ``command`` as a line of input, with its end; raises a 400 that names ``field``."""
    line = command.removesuffix("\n").removesuffix("\r")
    if "\n" in line or "\r" in line:  # a terminal makes either an end of a line
        raise bad_request(f"{field}: must be one line")
    data = to_input(line, tty=tty)
    if tty and len(data) > LONGEST_TTY_LINE:
        raise bad_request(f"{field}: must not be longer than {LONGEST_TTY_LINE - 1} bytes")
    return data
