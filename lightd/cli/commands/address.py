"""The daemon's address and the token for it, from the command line or the configuration.

1. A token is never an argument: every user of the machine can read the arguments of a process.
2. The master token of a configuration is sent to the address in that configuration only.
3. Nothing is written: a client command does not create a configuration.
"""

import argparse
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import attrs

from lightd.cli.commands.trouble import WRONG, Trouble
from lightd.config import file as config_file
from lightd.config import rules, sections
from lightd.logs.redaction import mask

_HERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what it listens at is not where it is reached
_LONGEST = 4096
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


@attrs.frozen
class Address:
    """A daemon's URL, without a slash at its end, and which certificates to trust for it.

    ``ca`` is a file of certificates to trust instead of the system's. ``pinned`` is the daemon's own
    certificate (PEM), known from its configuration: then only that one is trusted, under any host name.
    ``token_path`` is the file that the token was read from; ``configuration`` that of the configuration, None
    if it was not needed, and ``elsewhere`` is true if it is not where the command was told to look.
    """

    url: str
    token: str = attrs.field(repr=mask)
    ca: Path | None = None
    pinned: str | None = None
    token_path: Path | None = None
    configuration: Path | None = None
    elsewhere: bool = False


def find(args: argparse.Namespace, environ: Mapping[str, str]) -> Address:
    """The address of the daemon; raises ``Trouble`` and ``ConfigurationError``."""
    url, token_file = args.url, args.token_file
    if url is None:
        url = environ.get("LIGHTD_URL") or None
    if url is not None:
        url = _checked(url)
    token = None if token_file is None else read_token(Path(token_file))
    pinned, path, elsewhere = None, None, False
    if url is None or token is None:
        try:
            path, elsewhere = config_file.find_path(args.config, environ)
        except sections.ConfigurationMissing as missing:
            options = "--url and --token-file" if url is None else "--token-file"
            raise Trouble(WRONG, f"{missing}; or use {options}") from None
        configuration = config_file.load(path)
        if token is None:
            if url is not None and not is_same(url, to_url(configuration.server)):
                raise Trouble(WRONG, f"the token in {path} is not for {url}: use --token-file")
            token = configuration.authorization.token
        if url is None:
            url, pinned = to_url(configuration.server), to_pinned(configuration.server)
    ca = None if args.ca is None else Path(args.ca)
    return Address(url, token, ca, pinned, path if token_file is None else Path(token_file), path, elsewhere)


def to_url(server: sections.Server) -> str:
    """The URL of a daemon with that configuration on this machine; raises ``Trouble`` for port 0."""
    if server.port == 0:
        raise Trouble(WRONG, "server.port is 0, so the port is not known: use --url")
    host = _HERE.get(server.host, server.host)
    return f"{to_scheme(server)}://{f'[{host}]' if ':' in host else host}:{server.port}"


def to_scheme(server: sections.Server) -> str:
    """``https`` where the daemon is configured for TLS."""
    return "https" if _certificate(server) else "http"


def _certificate(server: sections.Server) -> Path | None:
    path: Path | None = getattr(getattr(server, "tls", None), "cert", None)
    return path


def to_pinned(server: sections.Server) -> str | None:
    """The daemon's own certificate, without its chain; None without TLS."""
    path = _certificate(server)
    if path is None:
        return None
    try:
        text = path.read_text()
    except (OSError, ValueError):
        return None  # the system's authorities may know it
    start = text.find(_BEGIN)
    end = text.find(_END, start)
    return text[start : end + len(_END)] if -1 < start < end else None


def is_same(url: str, other: str) -> bool:
    """Whether both are the same scheme, host and port; all loopback names are the same host."""
    one, two = urlsplit(url), urlsplit(other)
    hosts = {rules.is_loopback(each.hostname or "") or each.hostname for each in (one, two)}
    return len(hosts) == 1 and to_port(url) == to_port(other) and one.scheme == two.scheme


def to_port(url: str) -> int:
    """The port of ``url``, or the default port of its scheme."""
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)


def _checked(url: str) -> str:
    try:
        read = str(rules.URL.read(url))
    except ValueError:
        read = ""
    if not read:
        raise Trouble(WRONG, "--url and $LIGHTD_URL must be an http:// or https:// URL without a password")
    return read.rstrip("/")


def read_token(path: Path) -> str:
    """The token in the file at ``path``, which other users must not be able to read; raises ``Trouble``."""
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            if stat.S_ISREG(found.st_mode) and found.st_mode & config_file.READABLE_BY_OTHERS:
                raise Trouble(
                    WRONG, f"{path} contains a token and can be read by other users: chmod 600 {path}"
                )
            text = file.read(_LONGEST).decode("utf-8-sig", "replace").strip()
    except OSError as error:
        raise Trouble(WRONG, f"cannot read {path}: {error.strerror}") from None
    try:
        return str(rules.TOKEN.read(text))
    except ValueError:
        raise Trouble(WRONG, f"{path} must contain {rules.TOKEN.means}") from None
