"""The Docker Engine that the tests use: is there one, and what did a test leave behind on it.

Standard library only: the rig asks these questions before anything is installed. Run as a program it
prints one word: ``answers``, ``denied`` (it is there, but not for this user) or ``absent``.
"""

import contextlib
import fcntl
import http.client
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

IMAGE = "lightd-rig:latest"
"""A busybox with the programs of ``servers/`` in /bin."""

BROKEN_IMAGE = "lightd-rig:broken"
"""Has no /bin/sh: a container of it can be created, but its start fails."""

SET_UP = "bash tests/rig/run engine"


class NoEngine(Exception):  # noqa: N818 - named for what is missing
    """No engine answers on the socket. ``denied`` says that one is there, but not for this user."""

    def __init__(self, path: str, reason: OSError | http.client.HTTPException) -> None:
        self.denied = isinstance(reason, PermissionError)
        super().__init__(f"No Docker Engine answers on {path} ({reason}); `{SET_UP}` gives you one.")


def socket_path() -> str:
    """The engine's socket: ``DOCKER_HOST``'s where that is a unix socket, else Docker's usual one."""
    scheme, _, path = os.environ.get("DOCKER_HOST", "").partition("://")
    return path if scheme == "unix" and path else "/var/run/docker.sock"


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def call(method: str, route: str, *, body: bytes | None = None, seconds: float = 60, **query: Any) -> Any:
    """One API call's decoded answer (a list where the engine streams several objects); None for a 404.

    A ``query`` value that is a list is repeated; a mapping is sent as JSON, as the engine's filters are.
    Raises ``NoEngine`` when none answers, ``RuntimeError`` with the engine's words for any other error.
    """
    path = socket_path()
    fields = {key: json.dumps(value) if isinstance(value, dict) else value for key, value in query.items()}
    target = f"{route}?{urllib.parse.urlencode(fields, doseq=True)}" if fields else route
    connection = _Connection(path, seconds)
    try:
        connection.request(method, target, body, {"Content-Type": "application/x-tar"} if body else {})
        answer = connection.getresponse()
        text = answer.read().decode()
    except (OSError, http.client.HTTPException) as error:
        raise NoEngine(path, error) from error
    finally:
        connection.close()
    if answer.status == http.HTTPStatus.NOT_FOUND:
        return None
    if answer.status >= http.HTTPStatus.BAD_REQUEST:
        message = f"{method} {route}: {answer.status} {text.strip()}"
        raise RuntimeError(message)
    if answer.getheader("Content-Type", "").startswith("application/json") and text:
        objects = [json.loads(line) for line in text.splitlines() if line.strip()]
        return objects[0] if len(objects) == 1 else objects
    return text


def check_answers(seconds: float = 5) -> None:
    """The engine answers; raises ``NoEngine`` otherwise."""
    call("GET", "/_ping", seconds=seconds)


def wait_answers(seconds: float) -> None:
    """The engine answers, within so many seconds; raises ``NoEngine`` when they are over."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return check_answers()
        except NoEngine as error:
            if error.denied or time.monotonic() > deadline:
                raise
        time.sleep(0.1)


def ensure_engine() -> str:
    """For fixtures: an engine answers and has the test images; returns its socket's path.

    Without one the test is skipped, but under ``CI=true`` it fails: there, no engine means no proof.
    """
    from tests.rig import images  # noqa: PLC0415 - the recipe needs this module

    check_possible()
    try:
        check_answers()
        images.build()
    except (NoEngine, images.NoBusybox) as error:
        give_up(str(error))
    return socket_path()


def check_possible() -> None:
    """Give the test up where `tests/rig/run` found that no engine can be; it has said why."""
    if reason := os.environ.get("LIGHTD_RIG_NO_ENGINE"):
        give_up(reason)


def give_up(reason: str) -> NoReturn:
    """Skip the test for what the machine lacks; under ``CI=true`` it fails."""
    import pytest  # noqa: PLC0415 - the rig asks this module before pytest is installed

    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def require(*programs: str) -> None:
    """Give the test up unless the machine has these programs."""
    if missing := [program for program in programs if shutil.which(program) is None]:
        give_up(f"{', '.join(missing)}: not on this machine")


def require_root() -> None:
    """Give the test up unless it is root."""
    if os.geteuid() != 0:
        give_up("only root can do this")


def require_sudo() -> None:
    """Give the test up unless it may become root, without being asked for a password."""
    if os.geteuid() == 0:
        return
    asked = ["sudo", "-n", "true"]
    if (
        shutil.which("sudo") is None
        or subprocess.run(asked, capture_output=True, check=False).returncode != 0
    ):
        give_up("only root can do this, and this user may not become root")


def remove_labelled(node: str) -> None:
    """No container, network or image labelled ``lightd.node=<node>`` is left on the engine."""
    mine = {"label": [f"lightd.node={node}"]}
    for container in call("GET", "/containers/json", all=1, filters=mine):
        call("DELETE", f"/containers/{container['Id']}", force=1, v=1)
    for network in call("GET", "/networks", filters=mine):
        call("DELETE", f"/networks/{network['Id']}")
    for image in call("GET", "/images/json", filters=mine):
        call("DELETE", f"/images/{image['Id']}", force=1)


@contextlib.contextmanager
def in_use() -> Iterator[None]:
    """The engine has a user; whoever is the only one finds nothing on it that an interrupted run left.

    The users of all clones know of one another by a lock on the folder of the engine's socket.
    """
    folder = os.open(Path(socket_path()).parent, os.O_RDONLY)
    try:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_leftovers()
        fcntl.flock(folder, fcntl.LOCK_SH)
        yield
    finally:
        os.close(folder)


def remove_leftovers() -> None:
    """Nothing that a lightd made of a test image is left; a demo's stays: somebody may look at it."""
    mine = {"label": ["lightd.node"], "ancestor": [IMAGE, BROKEN_IMAGE]}
    for container in call("GET", "/containers/json", all=1, filters=mine) or ():
        if not container["Labels"]["lightd.node"].startswith("demo-"):
            call("DELETE", f"/containers/{container['Id']}", force=1, v=1)


def main() -> None:
    try:
        check_answers()
    except NoEngine as error:
        print("denied" if error.denied else "absent")
    else:
        print("answers")


if __name__ == "__main__":
    main()
