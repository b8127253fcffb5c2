"""Events of containers as sentences. Pure.

A sentence follows the container's name: ``s1  the server crashed with exit code 137 (out of memory)``. It can
contain names and messages from the daemon: filter it by ``screen``. An event of a newer daemon is shown by
its type.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from lightd.cli.commands import formats

Data = Mapping[str, Any]
_LONGEST: Final = 160  # characters of one value

_FOLLOWS: Final = {
    "rest": "",
    "start": "; it starts again afterwards",
    "delete": "; the container is deleted afterwards",
    "change": "; the container is changed afterwards",
}
_ENDED: Final = {"failed": "failed", "timeout": "timed out", "cancelled": "was cancelled"}


def _short(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _because(data: Data) -> str:
    return f": {_short(data['reason'])}" if data.get("reason") else ""


def _to_failure(what: str) -> Callable[[Data], str]:
    return lambda data: f"{what} {_ENDED.get(data.get('fault', ''), 'failed')}{_because(data)}"


def _to_created(data: Data) -> str:
    image = (data.get("spec") or {}).get("image")
    return f"created{f' from {_short(image)}' if image else ''}; the installation began"


def _to_request(what: str) -> Callable[[Data], str]:
    return lambda data: f"{what} was requested{_FOLLOWS.get(data.get('follow', ''), '')}"


def to_end(data: Data) -> str:
    """How a process ended: ``data`` is that of the event ``exited``, or the frame ``exit``."""
    code = data.get("code")
    told = f"the server {'crashed' if formats.is_crash(data) else 'exited'}"
    told += "" if code is None else f" with exit code {code}"
    told += " (out of memory)" if data.get("oom_killed") else ""
    told += " (another of its processes ran out of memory)" if data.get("child_oom_killed") else ""
    return f"{told}{_because(data)}"


def _to_restart(data: Data) -> str:
    delay = data.get("delay") or 0
    return f"the server is started again in {delay:g} second{'' if delay == 1 else 's'}"


def _to_ports(data: Data) -> str:
    return f"a change of its ports was requested: {formats.to_ports(data.get('ports') or ()) or 'none'}"


def _to_installation(what: str) -> Callable[[Data], str]:
    def tell(data: Data) -> str:
        image = f" with {_short(data['image'])}" if data.get("image") else ""
        return f"{what}{image}{', without the install script' if data.get('run_script') is False else ''}"

    return tell


def _to_edit(data: Data) -> str:
    image = f", with the image {_short(data['image'])} at the next start" if data.get("image") else ""
    return f"its settings were changed{image}"


SENTENCES: Final[Mapping[str, str | Callable[[Data], str]]] = MappingProxyType(
    {
        "created": _to_created,
        "adopted": "taken over, as it is, after the journal was lost",
        "image-ensured": "its image is on this machine",
        "script-finished": "the install script has ended",
        "installed": "installed; it can be started",
        "installation-failed": _to_failure("the installation"),
        "start-requested": "a start was requested",
        "rebuilt": "its container was missing in the engine and was created again",
        "started": "the process runs",
        "pattern-seen": "its start pattern appeared on the console",
        "hint": lambda data: f"hint: {data.get('advice', '')}",
        "became-ready": "the server is running",
        "start-failed": lambda data: f"the start failed{_because(data)}",
        "stop-requested": _to_request("a stop"),
        "stop-timed-out": "the server did not stop in time and is killed",
        "kill-requested": _to_request("a kill"),
        "exited": to_end,
        "restart-scheduled": _to_restart,
        "restarts-given-up": lambda data: f"the server is not started again{_because(data)}",
        "restore-scheduled": "the server ended with the engine or the host, and is started again",
        "restart-called-off": "the restart was cancelled",
        "found-running": "the server was found running",
        "vanished": "the engine no longer has its container",
        "installation-repeated": _to_installation("the installation began again"),
        "reinstall-requested": _to_installation("a reinstallation was requested"),
        "rebind-requested": _to_ports,
        "new-image-ensured": "the image for the reinstallation is on this machine",
        "reinstall-began": "the reinstallation began",
        "new-script-finished": "the install script of the reinstallation has ended",
        "candidate-built": "the new container was created, beside the old one",
        "replacement-began": "the new container replaces the old one",
        "resumption-decided": lambda data: (
            f"the server {'is' if data.get('resume') else 'is not'} started after the change"
        ),
        "replaced": "the new container has replaced the old one",
        "change-failed": _to_failure("the change"),
        "change-abandoned": _to_failure("the change"),
        "edited": _to_edit,
        "limits-applied": "the new limits are in effect",
        "limits-refused": lambda data: f"the new limits were rejected{_because(data)}",
        "deletion-requested": "the deletion began",
        "deleted": "deleted",
        "condensed": "older events were removed",
        # the states of the frames of a WebSocket
        "installing": "the installation began",
        "ready": "ready to be started",
        "failed": "the installation failed",
        "starting": "the server is starting",
        "running": "the server is running",
        "stopping": "the server is stopping",
        "exit": to_end,
    }
)
"""The sentence of each type of event, and of each state that a frame announces."""


def to_sentence(kind: str, data: Data) -> str:
    """The event as a sentence without a full stop."""
    found = SENTENCES.get(kind)
    if found is None:
        values = " ".join(f"{key}={_short(value)}" for key, value in data.items())
        return f"{kind} {values}".rstrip()
    return found if isinstance(found, str) else found(data)
