"""The conversation with one process of the SFTP server: its logins, its session, and what that reports."""

import array
import logging
import os
import socket
import uuid
from contextlib import AsyncExitStack, suppress
from typing import Any, Final

import attrs
import trio

from actors.kernel.journal import JournalUnavailable
from actors.kernel.mailbox import Overloaded
from lightd.access.errors import AccessError
from lightd.access.sftp_sessions import SftpSession
from lightd.audit.entry import Asked, to_text
from lightd.audit.trail import Call
from lightd.files import errors
from lightd.files.charging import Amount
from lightd.files.jail import Jail, Owner
from lightd.files.quota.allowance import Allowance
from lightd.files.quota.kind import MEGABYTE
from lightd.files.quota.quotas import Quotas
from lightd.sftp import wire
from lightd.sftp.logins import Grant, Logins, to_session
from lightd.system import System

logger = logging.getLogger(__name__)

PER_CONTAINER: Final = 16
"""Sessions that a container can have at a time."""
OBEDIENCE: Final = 2.0
"""Seconds that a process has to end; then it is killed."""
TOLD: Final = 50
"""Entries of the audit that one session can make in a second; the others are counted in one."""
TOO_LONG: Final = "the deny list of this server is too long for SFTP"
_OK: Final = 200


@attrs.define(eq=False)
class Room:
    """What one session may write: what it was granted last counts as reserved until it asks again.

    It has one allowance until that is refused something, and then another.
    """

    _quotas: Quotas
    _volume_id: str
    _allowance: Allowance | None = None
    _stack: AsyncExitStack = attrs.field(factory=AsyncExitStack)

    async def charge(self, amount: Amount) -> bool:
        """Reserve ``amount``; what was reserved before counts as written. Return whether there was room."""
        try:
            if self._allowance is None:
                writing = self._quotas.writing(self._volume_id)
                self._allowance = await self._stack.enter_async_context(writing)
            await self._allowance.prepare(amount)
            self._allowance.charge(amount.bytes, amount.entries)
        except errors.FileRefused as refusal:
            self._allowance = None
            with suppress(errors.FileRefused):
                await self._stack.__aexit__(type(refusal), refusal, refusal.__traceback__)
            return False
        return True

    async def close(self) -> None:
        """Record the end of the session's writes."""
        self._allowance = None
        await self._stack.aclose()


@attrs.define(eq=False)
class Conversation:
    """What one process of the server asks; it has at most one session."""

    _logins: Logins
    _live: dict[str, "Conversation"]
    _sock: Any
    _offered: Grant | None = None
    _address: str = ""
    _grant: Grant | None = None
    _session: SftpSession | None = None
    _denied: tuple[tuple[str, ...], ...] = ()
    _room: "Room | None" = None
    _ending_at: float | None = None
    _told_at: float = 0.0
    _told: int = 0

    async def hold(self, message: wire.Request | wire.Answer) -> None:
        """Answer ``message`` and those that follow, until the process ends."""
        try:
            while True:
                match message:
                    case wire.Login():
                        self._offered, self._address = await self._logins.verify(message), message.address
                        self._note_login(message)
                        await self._send(wire.Verdict(self._offered is not None))
                    case wire.Open():
                        await self._open(message)
                    case wire.Resume():
                        await self._resume(message)
                    case wire.Charge():
                        await self._charge(message)
                    case wire.Report():
                        self._report(message)
                    case _:
                        raise wire.Malformed("it is not the turn of this message")
                following = await receive(self._sock)
                if following is None:
                    return
                message = following
        finally:
            if self._session is not None:
                self._live.pop(self._session.session_id, None)
                self._logins.system.sftp_sessions.open.pop(self._session.session_id, None)
                self._audit("disconnect", "")
            if self._room is not None:
                await self._room.close()

    async def _send(self, message: wire.Answer) -> None:
        await self._sock.send(wire.to_bytes(message))

    def _note_login(self, login: wire.Login) -> None:
        if self._offered is None and self._logins.logged.admits(None, login.address):
            logger.info("SFTP login refused: user %.64r from %s", login.username, login.address)

    async def _open(self, message: wire.Open) -> None:
        offered, self._offered = self._offered, None
        if (
            self._session is not None
            or offered is None
            or (offered.username, offered.key)
            != (
                message.username,
                message.key,
            )
        ):
            await self._send(wire.Refused("log in first"))
            return
        reason = self._logins.still_valid(offered) or self._too_many(offered)
        if reason is None and offered.identity is not None:
            try:
                await self._logins.gate.spend(offered.identity)
            except (AccessError, JournalUnavailable, Overloaded):
                reason = "the token was used already"
        if reason is not None:
            await self._send(wire.Refused(reason))
            return
        session = to_session(
            offered,
            uuid.uuid4().hex,
            "public_key" if offered.key else "password",
            self._logins.system.clock(),
        )
        await self._begin(session, offered, message.pid, passes=True)

    def _too_many(self, grant: Grant) -> str | None:
        there = len(self._logins.system.sftp_sessions.of(grant.internal_id))
        if there >= PER_CONTAINER:
            return f"this container has {PER_CONTAINER} SFTP sessions, which is the maximum"
        return None

    async def _resume(self, message: wire.Resume) -> None:
        found = self._logins.from_ticket(message.ticket)
        if found is None or found[0].session_id != message.session or self._session is not None:
            await self._send(wire.Refused("lightd does not know this session"))
            return
        session, grant = found
        self._address = message.address
        reason = self._logins.still_valid(grant)
        if reason is not None or session.session_id in self._live:
            await self._send(wire.Refused(reason or "lightd does not know this session"))
            return
        await self._begin(session, grant, message.pid, passes=False)

    async def _begin(self, session: SftpSession, grant: Grant, pid: int, *, passes: bool) -> None:
        system = self._logins.system
        self._denied = _to_lists(system, grant.volume_id)
        try:
            folder, owner = await system.folders.run_for_server(grant.volume_id, _hand_out)
        except (errors.FileRefused, OSError) as error:
            await self._send(wire.Refused(f"the volume is not available: {error}"))
            return
        try:
            limit, used = await _to_room(system, grant.volume_id)
            accepted = wire.Accepted(
                session.session_id,
                self._logins.to_ticket(session, grant),
                _to_user(owner),
                grant.read_only,
                self._denied,
                limit,
                used,
                limit is not None and not system.quotas.kind_of(grant.volume_id).enforced,
            )
            try:
                data = wire.to_bytes(accepted)
            except wire.Malformed:
                await self._send(wire.Refused(TOO_LONG))
                return
            self._session, self._grant = session, grant
            session.address, session.pid = self._address, pid
            session.end = self._end
            self._live[session.session_id] = self
            system.sftp_sessions.open[session.session_id] = session
            descriptors = (
                [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [folder]))] if passes else []
            )
            await self._sock.sendmsg([data], descriptors)
        finally:
            os.close(folder)
        self._audit("connect" if passes else "resume", "")

    @property
    def pid(self) -> int:
        """The process."""
        return 0 if self._session is None else self._session.pid

    def look(self) -> bool:
        """End the session if it may not go on; tell it about a new deny list.

        Return true if it was told to end, and has not.
        """
        if self._grant is None:
            return False
        if self._ending_at is not None and trio.current_time() > self._ending_at + OBEDIENCE:
            return True
        reason = self._logins.still_valid(self._grant)
        if reason is not None:
            self._end(reason)
            return False
        denied = _to_lists(self._logins.system, self._grant.volume_id)
        if denied != self._denied:
            self._denied = denied
            try:
                self._tell(wire.Deny(denied))
            except wire.Malformed:
                self._end(TOO_LONG)
        return False

    def _end(self, reason: str) -> None:
        if self._ending_at is None:
            self._ending_at = trio.current_time()
        self._tell(wire.End(reason))

    def _tell(self, message: wire.Answer) -> None:
        data = wire.to_bytes(message)
        with suppress(OSError):  # it does not read, or has ended: it is told again, or killed
            os.write(self._sock.fileno(), data)

    async def _charge(self, message: wire.Charge) -> None:
        granted = False
        if self._grant is not None:
            if self._room is None:
                self._room = Room(self._logins.system.quotas, self._grant.volume_id)
            granted = await self._room.charge(Amount(message.bytes, message.entries))
        await self._send(wire.Granted(granted))

    def _report(self, message: wire.Report) -> None:
        session = self._session
        if session is None:
            raise wire.Malformed("a report without a session")
        session.read += message.read
        session.written += message.written
        session.files += message.files
        now = trio.current_time()
        if now >= self._told_at + 1:
            self._told_at, self._told = now, 0
        more = message.more
        for verb, path, other in message.done:
            if self._told < TOLD:
                self._told += 1
                self._audit(verb, f"{path} -> {other}" if other else path)
            else:
                more += 1
        if more:
            self._audit("more", f"{more} more changes")

    def _audit(self, verb: str, text: str) -> None:
        assert self._session is not None  # noqa: S101 - the callers have one
        session, trail = self._session, self._logins.system.audit
        asked = Asked(
            trail.clock(),
            session.credential,
            session.address,
            session.session_id,
            "SFTP",
            to_text(f"/containers/{session.internal_id}/sftp/{verb}"),
        )
        trail.end_nowait(Call(asked, subject=to_text(text) or None), _OK, None)


def _hand_out(jail: Jail) -> tuple[int, Owner]:
    return os.dup(jail.root), jail.owner()


def _to_user(owner: Owner) -> str:
    if os.geteuid():
        return f"{os.geteuid()}:{os.getegid()}"
    return f"{owner.uid}:{owner.gid}"


def _to_lists(system: System, volume_id: str) -> tuple[tuple[str, ...], ...]:
    return tuple(sorted(system.folders.denied(volume_id).lists))


async def _to_room(system: System, volume_id: str) -> tuple[int | None, int | None]:
    volume = system.volumes.view.state.volumes.get(volume_id)
    if volume is None or volume.quota_mb is None:
        return None, None
    used = None
    with suppress(errors.FileRefused, OSError):
        used = await system.quotas.known_usage(volume_id)
    return volume.quota_mb * MEGABYTE, used


async def receive(sock: Any) -> wire.Request | wire.Answer | None:  # noqa: ANN401 - Trio has no public name for it
    """Return the next message, None at the end. Raises ``Malformed`` and ``OSError``."""
    data = await sock.recv(wire.LONGEST)
    return wire.from_bytes(data) if data else None
