"""Ports: lightd's own, and those of the pool against what listens here."""

import errno
import os
import socket
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, Final

import attrs
import trio

from actors.portpool.decider import collides
from lightd.commands import address
from lightd.commands.client import open_client
from lightd.commands.trouble import REFUSED, UNREACHABLE, Trouble
from lightd.config import Configuration
from lightd.doctor import listeners
from lightd.doctor.finding import Area, Finding, Tell
from lightd.doctor.listeners import Listener
from lightd.doctor.subject import Subject
from lightd.journal.inspection import JournalUnreadable, read_pool

SLOW: Final = "systemctl restart lightd: it takes connections, and does not answer"
PATIENCE: Final = 3.0
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
    """Look at lightd's port and at the pool."""
    configuration = subject.configuration
    assert configuration is not None  # noqa: S101 - it is not asked without
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
    """Tell of lightd's port; return the pool where the daemon says what is in it."""
    server = configuration.server
    if server.port == 0:
        tell(_AREA.good("server.port", "the system chooses lightd's port at its start (server.port is 0)"))
        return None
    if await trio.to_thread.run_sync(_try_bind, server.host, 0, abandon_on_cancel=True) is not None:
        tell(_AREA.bad("server.host", f"{server.host} is no address of this machine", "server.host"))
        return None
    here = address.Address(
        address.to_url(server), configuration.authorization.token, pinned=address.to_pinned(server)
    )
    async with open_client(here) as client:
        try:
            version = (await client.ask("GET", "/api/v1/public/ping", patience=PATIENCE)).get("version")
        except Trouble as trouble:
            told = str(trouble)
            if UNTRUSTED in told:
                text = f"what answers at {here.url} has a certificate that is not trusted under that name"
                tell(
                    _AREA.unseen(
                        "server.port", text, "lightd ps --url https://<its name> --ca FILE --token-file FILE"
                    )
                )
                return None
            silent = trouble.code != UNREACHABLE or "no daemon answers" not in told
            why = partial(_to_own, subject, found, told, silent=silent)
            tell(await trio.to_thread.run_sync(why, abandon_on_cancel=True))
            return None
        tell(_AREA.good("server.port", f"lightd {version} answers at {here.url}"))
        try:
            rows = (await client.ask("GET", "/network/ports", patience=PATIENCE))["ports"]
        except Trouble as trouble:
            if trouble.code == REFUSED:
                text = "the lightd that runs takes another token than the configuration has"
                tell(_AREA.bad("token", text, "systemctl reload lightd (or: kill -HUP its process)"))
            return None
    return [to_pooled(row) for row in rows]


def to_pooled(row: dict[str, Any]) -> Pooled:
    """A port of the pool as the API shows it. Pure."""
    return Pooled(row["ip"], row["port"], row["protocol"], row["in_use"])


def _to_own(subject: Subject, found: list[Listener], told: str, *, silent: bool) -> Finding:
    """Why lightd does not answer at its port: it does not run, or somebody else does there."""
    assert subject.configuration is not None  # noqa: S101 - it is not asked without
    host, port = subject.configuration.server.host, subject.configuration.server.port
    there = [each for each in found if each.protocol == "tcp" and each.port == port]
    if there or silent:
        who = listeners.to_owner(subject.proc, [each.inode for each in there]) or "somebody else"
        mend = f"server.port, or end it: ss -ltnp 'sport = :{port}'"
        return _AREA.bad(
            "server.port", f"port {port} is taken by {who}, and no lightd answers there: {told}", mend
        )
    trouble = _try_bind(host, port)
    if trouble == errno.EACCES:
        return _AREA.bad(
            "server.port", f"port {port} is for root alone", "server.port above 1023, or CAP_NET_BIND_SERVICE"
        )
    if trouble is not None:
        text = f"port {port} of {host} can't be had: {os.strerror(trouble)}"
        return _AREA.bad("server.port", text, "server.port")
    return _AREA.good("server.port", f"port {port} is free; lightd does not run")


def _try_bind(host: str, port: int) -> int | None:
    """Return what keeps a port from being bound here, None where nothing does; it is let go at once."""
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
            _AREA.unseen(
                "pool", f"the pool can't be read from {path}: {why}", "run this as the user of lightd"
            )
        )
        return None
    return [Pooled(*key, entry.in_use) for key, entry in state.entries.items()]


def to_pool(pool: Iterable[Pooled], found: Iterable[Listener], who: Any = lambda _: None) -> Finding:  # noqa: ANN401 - a function
    """The pool against what listens: a free port that somebody else has is one that no server will get."""
    bound: dict[tuple[int, str], list[Listener]] = {}
    for listener in found:
        bound.setdefault((listener.port, listener.protocol), []).append(listener)
    pool = list(pool)
    taken = list(_taken(pool, bound, who))
    if taken:
        more = f" and {len(taken) - SHOWN} more" if len(taken) > SHOWN else ""
        text = f"free in the pool, and taken on this machine: {', '.join(taken[:SHOWN])}{more}"
        mend = "DELETE /network/ports/:ip/:port for each, or end who has it: ss -ltnup"
        return _AREA.bad("pool", text, mend)
    free = sum(not each.in_use for each in pool)
    return _AREA.good("pool", f"{len(pool)} ports in the pool, {free} free, and nobody else has one of those")


def _taken(pool: list[Pooled], bound: dict[tuple[int, str], list[Listener]], who: Any) -> Iterator[str]:  # noqa: ANN401 - a function
    for port in pool:
        others = [
            each
            for each in bound.get((port.port, port.protocol), ())
            if not port.in_use and collides(port.ip, each.ip)
        ]
        if others:
            owner = who([each.inode for each in others])
            yield f"{port.ip}:{port.port}/{port.protocol}{f' by {owner}' if owner else ''}"
