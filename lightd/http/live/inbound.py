"""The frames that a viewer sends: one JSON object each, read as strictly as a body.

A frame that is refused is answered by an ``error`` frame.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from types import MappingProxyType
from typing import Annotated, Any, Final, Generic, TypeVar

import attrs
import trio

from actors.container.fleet import Member
from actors.tokens.grant import Grant
from lightd.access.errors import LimitExceeded
from lightd.access.scopes import check_grant
from lightd.api import bodies
from lightd.api.console_input import to_line
from lightd.api.errors import bad_request
from lightd.http import audited
from lightd.http.errors import to_answer
from lightd.http.live import frames
from lightd.http.routes import containers, history
from lightd.http.transport.websocket import Socket
from lightd.http.wire import digest, loads, read
from lightd.system import System
from lightd.validation.rules import one_of, whole
from lightd.validation.schema import Described

B = TypeVar("B")

MESSAGES = 20  # a second
TOO_MANY = "too_many_messages"
LINES_A_MESSAGE = 1000  # asked for at once; more count as more messages


@attrs.frozen
class SendCommand:
    """A line for the process."""

    command: Annotated[bodies.Text, Described("one line, without its end", example="say Hello")]


@attrs.frozen
class Power:
    """A power action."""

    action: Annotated[str, one_of(*containers.POWER), Described("what is done", example="restart")]


@attrs.frozen
class RequestLogs:
    """The end of the console."""

    lines: Annotated[
        int,
        whole(1, history.MOST_LINES),
        Described("how many of the last lines are sent", unit="lines", example=100),
    ] = 100


@attrs.frozen
class Resize:
    """The size of the terminal."""

    columns: Annotated[int, whole(1, 1000), Described("its width", unit="characters", example=120)]
    rows: Annotated[int, whole(1, 1000), Described("its height", unit="lines", example=40)]


@attrs.define(eq=False)
class Inbound:
    """Carries out the frames of one viewer, at most ``MESSAGES`` a second.

    ``hold`` counts the bytes of an answer during a block; it raises ``LimitExceeded`` and ``Overloaded``.
    """

    _system: System
    _member: Member
    _socket: Socket
    _grant: Grant
    _hold: Callable[[int], AbstractContextManager[None]]
    _allowance: float = MESSAGES
    _taken_at: float = attrs.field(factory=trio.current_time)

    async def take(self, message: str | bytes) -> None:
        """Carry out ``message``, or send an ``error`` frame."""
        try:
            self._spend()
            kind, value = await _parse(message)
            async with self._recorded(kind, value):
                check_grant(self._grant, kind.permission)
                await kind.handle(self, read(kind.body, value))
        except Exception as error:
            refusal = to_answer(error)
            if refusal is None:
                raise
            await self._socket.write(frames.to_frame(frames.to_error(refusal.message)))
            if refusal.code == TOO_MANY:
                await trio.sleep(1 / MESSAGES)  # the client waits meanwhile: a refusal takes time too

    def _recorded(self, kind: "InboundKind[Any]", value: dict[str, Any]) -> AbstractAsyncContextManager[None]:
        if kind.to_record is None:
            return nullcontext()
        what = kind.to_record(value)
        return audited.recorded(self._system, self._member.internal_id, what, urgent=kind.urgent)

    def _spend(self, messages: float = 1) -> None:
        now = trio.current_time()
        self._allowance = min(MESSAGES, self._allowance + (now - self._taken_at) * MESSAGES)
        self._taken_at = now
        if self._allowance < messages:
            raise LimitExceeded(TOO_MANY, f"more than {MESSAGES} messages a second")
        self._allowance -= messages

    async def power(self, frame: Power) -> None:
        """Start, stop, kill or restart the container."""
        await containers.ask_power(self._system, self._member, frame.action)

    async def request_logs(self, frame: RequestLogs) -> None:
        """Send the end of the console."""
        self._spend((frame.lines - 1) // LINES_A_MESSAGE)
        framed = await history.to_logs(self._member.console, frame.lines)
        with self._hold(len(framed)):
            await self._socket.write(framed)

    async def resize(self, frame: Resize) -> None:
        """Set the size of the terminal."""
        self._member.console.resize(frame.columns, frame.rows)

    async def send_command(self, frame: SendCommand) -> None:
        """Write one line to the process's input."""
        spec = self._member.state.spec
        await self._member.console.send(to_line(frame.command, tty=spec is not None and spec.tty))


@attrs.frozen(eq=False)
class InboundKind(Generic[B]):
    """A frame is read as ``body`` and needs ``permission``; ``handle`` carries it out.

    ``to_record`` returns its name in the audit; without it the frame is not recorded there. An ``urgent`` one
    is carried out also while the audit can't be written.
    """

    permission: str
    body: type[B]
    handle: Callable[[Inbound, B], Awaitable[None]]
    to_record: Callable[[Mapping[str, Any]], str] | None = None
    urgent: bool = False


def _to_power_record(frame: Mapping[str, Any]) -> str:
    action = frame.get("action")
    return f"power {action}" if isinstance(action, str) and action in containers.POWER else "power"


INBOUND: Final[Mapping[str, InboundKind[Any]]] = MappingProxyType(
    {
        "send_command": InboundKind(
            "console.write", SendCommand, Inbound.send_command, lambda _: "send_command", urgent=True
        ),
        "power": InboundKind("power", Power, Inbound.power, _to_power_record),
        "request_logs": InboundKind("console.read", RequestLogs, Inbound.request_logs),
        "resize": InboundKind("console.write", Resize, Inbound.resize),
    }
)
"""The kinds of frames that a viewer can send."""


async def _parse(message: str | bytes) -> tuple[InboundKind[Any], dict[str, Any]]:
    """Return the kind of a frame, and its fields."""
    if isinstance(message, bytes):
        raise bad_request("frames must be text")
    value = await digest(message.encode(), loads)
    if not isinstance(value, dict):
        raise bad_request("a frame must be a JSON object")
    name = value.pop("event", "")
    if not isinstance(name, str) or name not in INBOUND:
        raise bad_request(f"event: must be one of {', '.join(INBOUND)}")
    return INBOUND[name], value
