"""Ports: lightd's own, and those of the port pool, compared with listening sockets."""

import errno
import os
import socket
from collections.abc import Awaitable, Iterable, Iterator
from functools import partial
from typing import Any, Final

import attrs
import trio

from actors.portpool.decider import collides
from lightd.cli.commands import address, formats
from lightd.cli.commands.client import NO_CONNECTION, Client
from lightd.cli.commands.trouble import REFUSED, UNREACHABLE, Trouble
from lightd.cli.doctor import listeners
from lightd.cli.doctor.finding import Area, Finding, Tell
from lightd.cli.doctor.listeners import Listener
from lightd.cli.doctor.subject import Subject
from lightd.config.sections import Configuration
from lightd.journal.inspection import JournalUnreadable, read_pool

SLOW: Final = "look for processes that hang: ps -eo pid,stat,comm | grep ' D'"
PATIENCE: Final = 12.0
SHOWN: Final = 5
UNTRUSTED: Final = "CERTIFICATE_VERIFY_FAILED"
_AREA = Area("ports")


@attrs.frozen
class Pooled:
    """A port of the pool."""

    ip: str
    port: int
    protocol: str
    in_use: bool


async def look(subject: Subject, tell: Tell) -> None:
    """Check lightd's port and the pool."""
    configuration = subject.configuration
    assert configuration is not None  # noqa: S101 - this check is skipped without one
    found = await trio.to_thread.run_sync(listeners.read, subject.proc, abandon_on_cancel=True)
    pool = await _look_at_own(subject, configuration, found, tell)
    if pool is None:
        pool = await trio.to_thread.run_sync(_from_journal, configuration, tell, abandon_on_cancel=True)
    if pool is not None:
        who = partial(listeners.to_owner, subject.proc)
        tell(await trio.to_thread.run_sync(to_pool, pool, found, who, abandon_on_cancel=True))


async def _look_at_own(
    subject: Subject, configuration: Configuration, found: list[Listener], tell: Tell
) -> list[Pooled] | None:
    """Report on lightd's port; return the pool if the daemon answers with it."""
    server = configuration.server
    if server.port == 0:
        tell(_AREA.good("server.port", "the system chooses lightd's port (server.port is 0)"))
        return None
    if await trio.to_thread.run_sync(_try_bind, server.host, 0, abandon_on_cancel=True) is not None:
        tell(
            _AREA.bad(
                "server.host", f"{server.host} is not an address of this machine", "correct server.host"
            )
        )
        return None
    here = address.Address(
        address.to_url(server), configuration.authorization.token, pinned=address.to_pinned(server)
    )

    def ask(path: str) -> Awaitable[Any]:
        call = partial(Client(here).ask, "GET", path, patience=PATIENCE)
        return trio.to_thread.run_sync(call, abandon_on_cancel=True)

    try:
        version = (await ask("/api/v1/public/ping")).get("version")
    except Trouble as trouble:
        told = str(trouble)
        if UNTRUSTED in told:
            text = f"the certificate of the server at {here.url} is not trusted for that name"
            tell(
                _AREA.unseen(
                    "server.port", text, "lightd ps --url https://<its name> --ca FILE --token-file FILE"
                )
            )
            return None
        silent = trouble.code != UNREACHABLE or NO_CONNECTION not in told
        why = partial(_to_own, subject, found, told, silent=silent)
        tell(await trio.to_thread.run_sync(why, abandon_on_cancel=True))
        return None
    tell(_AREA.good("server.port", f"lightd {version} answers at {here.url}"))
    try:
        rows = (await ask("/network/ports"))["ports"]
    except Trouble as trouble:
        if trouble.code == REFUSED:
            text = "the running daemon uses another token than the configuration file"
            tell(_AREA.bad("token", text, "systemctl reload lightd (or send SIGHUP to its process)"))
        return None
    return [to_pooled(row) for row in rows]


def to_pooled(row: dict[str, Any]) -> Pooled:
    """A port of the pool as the API shows it. Pure."""
    return Pooled(row["ip"], row["port"], row["protocol"], row["in_use"])


def _to_own(subject: Subject, found: list[Listener], told: str, *, silent: bool) -> Finding:
    """Why lightd does not answer at its port: it does not run, or another program has the port."""
    assert subject.configuration is not None  # noqa: S101 - this check is skipped without one
    host, port = subject.configuration.server.host, subject.configuration.server.port
    there = [each for each in found if each.protocol == "tcp" and each.port == port]
    if there or silent:
        who = listeners.to_owner(subject.proc, [each.inode for each in there]) or "another program"
        mend = f"change server.port, or stop that program: ss -ltnp 'sport = :{port}'"
        return _AREA.bad(
            "server.port", f"port {port} is used by {who}, and no lightd answers there: {told}", mend
        )
    trouble = _try_bind(host, port)
    if trouble == errno.EACCES:
        return _AREA.bad(
            "server.port",
            f"only root can use port {port}",
            "use a port above 1023, or grant CAP_NET_BIND_SERVICE",
        )
    if trouble is not None:
        text = f"cannot listen on port {port} of {host}: {os.strerror(trouble)}"
        return _AREA.bad("server.port", text, "change server.port")
    return _AREA.good("server.port", f"port {port} is free; lightd is not running")


def _try_bind(host: str, port: int) -> int | None:
    """Return why a port cannot be bound, or None; the port is released immediately."""
    try:
        family, kind, number, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, number) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(where)
    except OSError as error:
        return error.errno or errno.EINVAL
    return None


def _from_journal(configuration: Configuration, tell: Tell) -> list[Pooled] | None:
    path = configuration.storage.base_path / "lightd.db"
    try:
        if not path.exists():
            return []
        state = read_pool(path)
    except (JournalUnreadable, OSError) as why:
        tell(
            _AREA.unseen("pool", f"cannot read the port pool from {path}: {why}", "run this as lightd's user")
        )
        return None
    return [Pooled(*key, entry.in_use) for key, entry in state.entries.items()]


def to_pool(pool: Iterable[Pooled], found: Iterable[Listener], who: Any = lambda _: None) -> Finding:  # noqa: ANN401 - a function
    """Compare the pool with listening sockets: no server can use a free port that another program has."""
    bound: dict[tuple[int, str], list[Listener]] = {}
    for listener in found:
        bound.setdefault((listener.port, listener.protocol), []).append(listener)
    pool = list(pool)
    taken = list(_taken(pool, bound, who))
    if taken:
        more = f" and {len(taken) - SHOWN} more" if len(taken) > SHOWN else ""
        text = f"free in the port pool, but used by another program: {', '.join(taken[:SHOWN])}{more}"
        mend = "lightd ports rm for each, or stop that program: ss -ltnup"
        return _AREA.bad("pool", text, mend)
    free = sum(not each.in_use for each in pool)
    return _AREA.good("pool", f"{len(pool)} ports in the pool, {free} free; no other program uses a free one")


def _taken(pool: list[Pooled], bound: dict[tuple[int, str], list[Listener]], who: Any) -> Iterator[str]:  # noqa: ANN401 - a function
    in_use = {(each.ip, each.port, each.protocol) for each in pool if each.in_use}
    for port in pool:
        # A socket on :: mostly holds the port of IPv4 too; one that Docker opened for a server does not.
        others = [
            each
            for each in bound.get((port.port, port.protocol), ())
            if not port.in_use
            and (collides(port.ip, each.ip) or each.ip == "::")
            and (each.ip, each.port, each.protocol) not in in_use
        ]
        if others:
            owner = who([each.inode for each in others])
            shown = formats.to_host(attrs.asdict(port), 1)
            yield f"{shown}/{port.protocol}{f' by {owner}' if owner else ''}"
