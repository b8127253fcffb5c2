"""Where the daemon is, and the token for it: from the configuration, or as the command line says.

1. A token never stands on the command line, where every user of the machine can read it.
2. The master token of a configuration goes to the address of that configuration, and to no other.
3. Nothing is written: a command that looks for a daemon makes no configuration for one.
"""

import argparse
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import attrs

from lightd import config, config_file, config_rules
from lightd.commands.trouble import WRONG, Trouble
from lightd.redaction import mask

_HERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what it listens at is not where it is reached
_LONGEST = 4096
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


@attrs.frozen
class Address:
    """A daemon's URL, without a slash at its end, and whom to take for it over TLS.

    ``ca`` is a file of certificates to trust instead of the system's. ``pinned`` is the daemon's own one,
    known from its configuration (PEM): then it alone is trusted, whatever the name it is called by.
    """

    url: str
    token: str = attrs.field(repr=mask)
    ca: Path | None = None
    pinned: str | None = None


def find(args: argparse.Namespace, environ: Mapping[str, str]) -> Address:
    """The daemon that is meant; raises ``Trouble`` and ``ConfigurationError``."""
    url, token_file = args.url, args.token_file
    if url is None:
        url = environ.get("LIGHTD_URL") or None
    if url is not None:
        url = _checked(url)
    token = None if token_file is None else read_token(Path(token_file))
    pinned = None
    if url is None or token is None:
        path = config_file.resolve_path(args.config, environ)
        if not config_file.is_there(path):
            missing = "--url and --token-file" if url is None else "--token-file"
            raise Trouble(
                WRONG, f"there is no configuration {path}: name it with --config, or give {missing}"
            )
        configuration = config_file.load(path)
        if token is None:
            if url is not None and not is_same(url, to_url(configuration.server)):
                raise Trouble(WRONG, f"the token in {path} is not for {url}: give one with --token-file")
            token = configuration.authorization.token
        if url is None:
            url, pinned = to_url(configuration.server), to_pinned(configuration.server)
    return Address(url, token, None if args.ca is None else Path(args.ca), pinned)


def to_url(server: config.Server) -> str:
    """The URL of a daemon that is configured so, on this machine; raises ``Trouble`` where none is fixed."""
    if server.port == 0:
        raise Trouble(WRONG, "server.port is 0, so the system chose the port: give the address with --url")
    host = _HERE.get(server.host, server.host)
    return f"{to_scheme(server)}://{f'[{host}]' if ':' in host else host}:{server.port}"


def to_scheme(server: config.Server) -> str:
    """``https`` where the daemon is configured for TLS."""
    return "https" if _certificate(server) else "http"


def _certificate(server: config.Server) -> Path | None:
    path: Path | None = getattr(getattr(server, "tls", None), "cert", None)
    return path


def to_pinned(server: config.Server) -> str | None:
    """The certificate that such a daemon shows, without those of its authorities; None where it has none."""
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
    """Whether both lead to one port of one host; every name of the loopback is that of one host."""
    one, two = urlsplit(url), urlsplit(other)
    hosts = {config_rules.is_loopback(each.hostname or "") or each.hostname for each in (one, two)}
    return len(hosts) == 1 and to_port(url) == to_port(other) and one.scheme == two.scheme


def to_port(url: str) -> int:
    """The port of ``url``, its scheme's where it names none."""
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)


def _checked(url: str) -> str:
    try:
        read = str(config_rules.URL.read(url))
    except ValueError:
        read = ""
    if not read:
        raise Trouble(
            WRONG, "--url and $LIGHTD_URL must be an http:// or https:// address without a password"
        )
    return read.rstrip("/")


def read_token(path: Path) -> str:
    """The token in the file at ``path``, which others must not be able to read; raises ``Trouble``."""
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            if stat.S_ISREG(found.st_mode) and found.st_mode & config_file.READABLE_BY_OTHERS:
                raise Trouble(WRONG, f"{path} is open to others and holds a token: chmod 600 {path}")
            text = file.read(_LONGEST).decode("utf-8", "replace").strip()
    except OSError as error:
        raise Trouble(WRONG, f"{path} can't be read: {error.strerror}") from None
    try:
        return str(config_rules.TOKEN.read(text))
    except ValueError:
        raise Trouble(WRONG, f"{path} must hold {config_rules.TOKEN.means}") from None
