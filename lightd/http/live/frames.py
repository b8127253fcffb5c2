"""The frames that a WebSocket client is sent.

A server's frames are not masked (RFC 6455 section 5.2), so they are the same for all clients: a frame is
encoded once and written as it is.
"""

import json
import struct
from collections.abc import Sequence
from typing import Any

import attrs

from actors.container import events
from actors.container.console.log import Numbered
from actors.container.events import Follow
from actors.container.state import Stage, State
from actors.container.stats import Stats
from actors.kernel.actor import View
from actors.kernel.journal import Condensed

_TEXT = 0x81  # FIN and the opcode of a text frame
_SHORT, _MEDIUM = 126, 1 << 16
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def to_frame(value: object) -> bytes:
    """Return ``value`` as JSON in one complete text frame."""
    return to_framed(_encode(value))


def to_framed(text: str) -> bytes:
    """Return ``text``, which is JSON, in one complete text frame."""
    payload = text.encode("utf-8", "replace")
    size = len(payload)
    if size < _SHORT:
        head = struct.pack("!BB", _TEXT, size)
    elif size < _MEDIUM:
        head = struct.pack("!BBH", _TEXT, 126, size)
    else:
        head = struct.pack("!BBQ", _TEXT, 127, size)
    return head + payload


def to_console(lines: Sequence[str], first: int, at: float | None = None) -> dict[str, Any]:
    """Return the frame of consecutive console lines; ``first`` is the number of the first one.

    It was printed at ``at`` (Unix seconds).
    """
    return {"event": "console", "data": "\n".join(lines) + "\n", "line": first, **_to_at(at)}


def to_unfinished(line: Numbered) -> dict[str, Any]:
    """Return the frame of the unfinished line.

    It has no newline: a client that counts them does not count this line.
    """
    return {"event": "console", "data": line.text, "line": line.number, **_to_at(line.at), "partial": True}


def to_logs(lines: Sequence[str], first: int, at: float | None = None) -> dict[str, Any]:
    """Return the response to ``request_logs``; the first line was printed at ``at``."""
    data = "".join(f"{line}\n" for line in lines)
    return {"event": "logs", "data": data, "line": first, **_to_at(at)}


def _to_at(at: float | None) -> dict[str, float]:
    return {} if at is None else {"at": at}


def to_gap(missed: int, next_line: int) -> dict[str, Any]:
    """Return the frame that says that ``missed`` lines are missing."""
    return {"event": "gap", "missed": missed, "next_line": next_line}


def to_message(text: str) -> dict[str, Any]:
    """Return a message from lightd for people."""
    return {"event": "daemon_message", "data": text}


def to_error(text: str) -> dict[str, Any]:
    """Return the reason why an inbound frame was refused."""
    return {"event": "error", "data": text}


def to_stats(stats: Stats) -> dict[str, Any]:
    """Return the statistics of a running container."""
    return {"event": "stats", **attrs.asdict(stats)}


def to_state(view: View[State]) -> dict[str, Any]:
    """Return the present state of a container, as the event that led to it."""
    state = view.state
    base = {"event": "event", "seq": view.position}
    if state.stage is Stage.DOWN and state.exit is not None:
        ended = state.exit
        outcome = {"code": ended.code, "oom_killed": ended.oom_killed, "crashed": ended.crashed}
        return {**base, "data": "exit", **outcome}
    return {**base, "data": state.traits.frame}


class Commentary:
    """Returns messages for people about the events of one container; ``follow`` is its present state."""

    def __init__(self, follow: Follow = Follow.REST) -> None:
        self._restarting = follow is Follow.START

    def to_text(self, event: object) -> str | None:
        """Return the message about ``event``, None if there is none."""
        match event:
            case events.StopRequested() | events.KillRequested():
                self._restarting = event.follow is Follow.START
            case events.Started():
                restarted, self._restarting = self._restarting, False
                return "Container restarted" if restarted else "Container started"
            case events.BecameReady():
                return "Server started"
            case events.Exited():
                return "Container stopped"
            case (
                events.StartFailed()
                | events.InstallationFailed()
                | events.RestartsGivenUp()
                | events.ChangeFailed()
                | events.ChangeAbandoned()
            ):
                self._restarting = False
                return f"Error: {event.reason}"
            case events.Replaced():
                return "Container replaced by a new one"
            case events.RestartScheduled():
                return f"Container crashed, it is started again in {event.delay:g} seconds"
            case events.RestoreScheduled():
                return "The container engine or the host was shut down, the container is started again"
            case Condensed():
                return "Earlier events are no longer kept"
            case _:
                pass
        return None
