"""Credentials of registries: read from a file for each pull, and given to Docker for exactly one host.

The file is that of ``docker login`` (``config.json``)::

    {"auths": {"registry.example:5000": {"auth": "<base64 of user:password>"}}}

Instead of ``auth``, an entry may have ``username`` and ``password``, or ``identitytoken``. Its key is the
host as in names of images, with the port. Docker Hub is ``docker.io``, or
``https://index.docker.io/v1/``, which ``docker login`` writes. Credential helpers are not run.
"""

import base64
import binascii
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from lightd.engines.image_names import DOCKER_HUB
from lightd.logs.redaction import mask

LONGEST: Final = 1024 * 1024
READABLE_BY_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_HUB: Final = frozenset({DOCKER_HUB, "index.docker.io", "https://index.docker.io/v1/"})


class BadRegistries(Exception):  # noqa: N818 - names what was found
    """The file cannot be used; ``str()`` says why, without its content."""


@attrs.frozen
class Credentials:
    """What one registry is logged in to with."""

    username: str = ""
    password: str = attrs.field(default="", repr=mask)
    identity_token: str = attrs.field(default="", repr=mask)

    def to_header(self, host: str) -> str:
        """The value of Docker's header ``X-Registry-Auth`` (Engine API 1.41, Authentication)."""
        fields = (
            {"identitytoken": self.identity_token}
            if self.identity_token
            else {"username": self.username, "password": self.password}
        )
        text = json.dumps({**fields, "serveraddress": host})
        return base64.urlsafe_b64encode(text.encode()).decode()


def read(path: Path) -> Mapping[str, Credentials]:
    """The credentials in a file, by host. Blocks; raises ``BadRegistries``."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise BadRegistries("it is not a regular file")
            if found.st_mode & READABLE_BY_OTHERS:
                raise BadRegistries(f"other users can read it: chmod 600 {path}")
            text = file.read(LONGEST)
    except OSError as error:
        raise BadRegistries(error.strerror or str(error)) from None
    return parse(text)


def parse(text: bytes) -> Mapping[str, Credentials]:
    """The credentials in the content of a file, by host. Pure; raises ``BadRegistries``."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise BadRegistries("it is not JSON") from None
    if not isinstance(document, dict) or not isinstance(document.get("auths"), dict):
        raise BadRegistries('it has no object "auths"')
    return {_to_host(key): _to_credentials(key, entry) for key, entry in document["auths"].items()}


def _to_host(key: str) -> str:
    return DOCKER_HUB if key in _HUB else key.lower()


def _to_credentials(key: str, entry: Any) -> Credentials:  # noqa: ANN401 - JSON
    match entry:
        case {"identitytoken": str(token)} if token:
            return Credentials(identity_token=token)
        case {"username": str(username), "password": str(password)}:
            return Credentials(username, password)
        case {"auth": str(auth)} if pair := _to_pair(auth):
            return Credentials(*pair)
        case _:
            raise BadRegistries(
                f'the entry of {key!r} in "auths" has neither "auth" nor "username" and "password"'
            )


def _to_pair(auth: str) -> tuple[str, str] | None:
    try:
        username, colon, password = base64.b64decode(auth, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return (username, password.rstrip("\0")) if colon else None
