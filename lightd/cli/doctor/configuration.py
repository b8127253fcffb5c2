"""The configuration: each mistake by its key, and whether other users can read the token."""

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import trio

from lightd.cli.doctor.finding import Area, Finding, Tell
from lightd.cli.doctor.subject import Subject
from lightd.config import file, sections
from lightd.config.exposure import to_exposure

SLOW: Final = "check the disk that contains the configuration"
EXPOSED: Final = (
    "set server.tls, or server.host to 127.0.0.1 behind a proxy with TLS (docs/operations.md, TLS)"
)
_AREA = Area("configuration")


def to_subject(cli_value: str | None, environ: Mapping[str, str]) -> Subject:
    """The node with that configuration. Blocks; writes nothing."""
    path, now = file.resolve_path(cli_value, environ), time.time()
    try:
        path, _ = file.find_path(cli_value, environ)
        return Subject(path, file.load(path), now=now)
    except sections.ConfigurationError as error:
        if not file.is_there(path) and path.parent.is_dir():
            defaults = sections.from_json(
                sections.first_file(file.fresh_token()),
                path.parent,
                file.node_name(os.uname().nodename),
            )
            held = sections.held_by(defaults, os.geteuid(), os.getegid())
            return Subject(path, held, written=False, now=now)
        return Subject(path, None, error.mistakes, now=now)


async def look(subject: Subject, tell: Tell) -> None:
    """Report what is wrong with the file."""
    await trio.lowlevel.checkpoint()
    if subject.mistakes and not _may_read(subject.path):
        tell(
            _AREA.unseen(
                "file",
                f"this user cannot read {subject.path}",
                f"sudo lightd doctor --config {subject.path}",
            )
        )
        return
    for mistake in subject.mistakes:
        key, colon, rest = mistake.partition(": ")
        if colon and " " not in key:
            tell(_AREA.bad(key, mistake, f"{key} in {subject.path}"))
        else:
            command = rest if colon and rest.startswith("chmod ") else f"edit {subject.path}"
            tell(_AREA.bad("file", f"{subject.path} {mistake}", command))
    if not subject.mistakes:
        if subject.written:
            tell(_AREA.good("file", f"{subject.path} is valid, and only its owner can read it"))
        else:
            tell(
                _AREA.doubtful(
                    "file",
                    f"{subject.path} does not exist",
                    "start lightd serve, which creates it, or use --config PATH",
                )
            )

    if subject.configuration is not None and (exposed := to_exposure(subject.configuration.server)):
        tell(_AREA.doubtful("server.host", exposed, EXPOSED))
    if subject.configuration is not None and subject.uid != 0:
        for finding in to_user(subject.configuration.docker, subject.uid, subject.gid):
            tell(finding)


def to_user(docker: sections.Docker, uid: int, gid: int) -> Iterator[Finding]:
    """Whether a lightd that is not root can run servers as the configured user. Pure."""
    if docker.user.uid != uid or (not docker.kind.isolated and docker.user.gid != gid):
        text = f"lightd runs as {uid}:{gid} and cannot run servers as docker.user {docker.user}"
        yield _AREA.bad("docker.user", text, f'set docker.user to "{uid}:{gid}", or run lightd as root')


def _may_read(path: Path) -> bool:
    return os.access(path, os.R_OK) or not (file.is_there(path) or path.is_symlink())
