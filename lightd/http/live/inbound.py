"""What a viewer sends: one JSON object a frame, as strict as a body, refused by an ``error`` frame."""

from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Annotated, Any

import attrs
import trio

from actors.container.fleet import Member
from actors.tokens.grant import Grant
from lightd.access.errors import LimitExceeded
from lightd.access.scopes import check_grant
from lightd.api import bodies
from lightd.api.errors import bad_request
from lightd.http import audited
from lightd.http.errors import to_answer
from lightd.http.live import frames
from lightd.http.live.kinds import INBOUND
from lightd.http.routes import containers, history
from lightd.http.transport.websocket import Socket
from lightd.http.wire import digest, loads, read
from lightd.system import System

MESSAGES = 20  # a second
LINES_A_MESSAGE = 1000  # asked for at once; more count as more messages
LONGEST_TTY_LINE = 4095  # bytes, its end included: N_TTY_BUF_SIZE - 1, Linux's n_tty(4)


@attrs.frozen
class SendCommand:
    """A line for the process."""

    command: bodies.Text


@attrs.frozen
class Power:
    """A power action."""

    action: Annotated[str, bodies.one_of(*containers.POWER)]


@attrs.frozen
class RequestLogs:
    """The end of the console."""

    lines: Annotated[int, bodies.whole(1, history.MOST_LINES)] = 100


@attrs.frozen
class Resize:
    """The size of the terminal."""

    columns: Annotated[int, bodies.whole(1, 1000)]
    rows: Annotated[int, bodies.whole(1, 1000)]


FRAMES: dict[str, type[SendCommand | Power | RequestLogs | Resize]] = {
    "send_command": SendCommand,
    "power": Power,
    "request_logs": RequestLogs,
    "resize": Resize,
}


@attrs.define(eq=False)
class Inbound:
    """Takes the frames of one viewer, at most ``MESSAGES`` a second, and does what it may ask for."""

    _system: System
    _member: Member
    _socket: Socket
    _grant: Grant
    _allowance: float = MESSAGES
    _taken_at: float = attrs.field(factory=trio.current_time)

    async def take(self, message: str | bytes) -> None:
        """Do what ``message`` asks for, or say why not."""
        try:
            self._spend()
            kind, value = await _parse(message)
            async with self._audited(kind, value):
                check_grant(self._grant, INBOUND[kind])
                await self._do(read(FRAMES[kind], value))
        except Exception as error:
            refusal = to_answer(error)
            if refusal is None:
                raise
            await self._socket.write(frames.to_frame(frames.to_error(refusal.message)))

    def _audited(self, kind: str, value: dict[str, Any]) -> AbstractAsyncContextManager[None]:
        system, internal_id = self._system, self._member.internal_id
        if kind == "send_command":
            return audited.recorded(system, internal_id, kind, urgent=True)
        if kind == "power":
            action = value.get("action")
            known = isinstance(action, str) and action in containers.POWER
            return audited.recorded(system, internal_id, f"{kind} {action}" if known else kind)
        return nullcontext()

    def _spend(self, messages: float = 1) -> None:
        now = trio.current_time()
        self._allowance = min(MESSAGES, self._allowance + (now - self._taken_at) * MESSAGES)
        self._taken_at = now
        if self._allowance < messages:
            raise LimitExceeded("too_many_messages", f"more than {MESSAGES} messages a second")
        self._allowance -= messages

    async def _do(self, frame: SendCommand | Power | RequestLogs | Resize) -> None:
        match frame:
            case SendCommand():
                self._send_command(frame.command)
            case Power():
                await containers.ask_power(self._system, self._member, frame.action)
            case RequestLogs():
                self._spend((frame.lines - 1) // LINES_A_MESSAGE)
                await self._socket.write(await history.to_logs(self._member.console, frame.lines))
            case Resize():
                self._member.console.resize(frame.columns, frame.rows)

    def _send_command(self, command: str) -> None:
        line = command.removesuffix("\n").removesuffix("\r")
        if "\n" in line or "\r" in line:  # a terminal makes either an end of a line
            raise bad_request("command: must be one line")
        data = line.encode() + b"\n"
        spec = self._member.state.spec
        if spec is not None and spec.tty and len(data) > LONGEST_TTY_LINE:
            raise bad_request(f"command: must not be longer than {LONGEST_TTY_LINE} bytes")
        self._member.console.send_nowait(data)


async def _parse(message: str | bytes) -> tuple[str, dict[str, Any]]:
    """Return the kind of a frame, one of ``FRAMES``, and its fields."""
    if isinstance(message, bytes):
        raise bad_request("frames must be text")
    value = await digest(message.encode(), loads)
    if not isinstance(value, dict):
        raise bad_request("a frame must be a JSON object")
    kind = value.pop("event", "")
    if not isinstance(kind, str) or kind not in FRAMES:
        raise bad_request(f"event: must be one of {', '.join(FRAMES)}")
    return kind, value
