"""Who may log in over SFTP, how long a session lasts, and the tickets with which one goes on.

A user name is the id of a container, or that of an SFTP credential (``Credential.login``). The password of an
SFTP credential is looked at first, so that it does not count as a guess of a token.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import attrs
import trio

from actors.container.fleet import Member
from actors.sftp.decider import Credential
from actors.tokens.grant import MASTER
from lightd.access import passwords, visibility
from lightd.access.errors import AccessError
from lightd.access.gate import Gate, to_digest
from lightd.access.identity import Identity
from lightd.access.log_limits import LogLimits
from lightd.access.sftp_sessions import CREDENTIAL, SftpSession
from lightd.api.panel_logins import PanelGrant, PanelLogin
from lightd.config.sections import Remote
from lightd.sftp import wire
from lightd.system import System

PANEL: Final = "panel"
"""The credential of a session that the panel has granted."""
ASKING: Final = 4
"""Logins that the panel is asked about at a time."""
HASHING: Final = 2
"""Passwords that are hashed at a time: each takes 16 MiB."""


@attrs.frozen
class Grant:
    """What a login was accepted for. ``identity`` is None for an SFTP credential."""

    username: str
    key: str
    internal_id: str
    volume_id: str
    credential: str
    proof: str
    position: int
    read_only: bool
    expires_at: float | None
    identity: Identity | None


AskPanel = Callable[[Remote, PanelLogin], Awaitable[PanelGrant | None]]


async def _ask_nobody(_settings: Remote, _login: PanelLogin) -> PanelGrant | None:
    return None


@attrs.define(eq=False)
class Logins:
    """See the module. ``gate`` checks tokens; ``secret`` signs tickets; ``ask_panel`` asks the panel."""

    system: System
    gate: Gate
    secret: bytes = b""
    ask_panel: AskPanel = _ask_nobody
    _asking: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(ASKING))
    logged: LogLimits = attrs.field(factory=LogLimits)
    _hashing: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(HASHING))

    async def verify(self, login: wire.Login) -> Grant | None:
        """Return what ``login`` is accepted for, None if it is not."""
        credential = await self._find_credential(login)
        if credential is not None:
            member = self.system.fleet.get(credential.internal_id)
            spec = None if member is None else member.state.spec
            if member is None or spec is None:
                return None
            return Grant(
                login.username,
                login.key,
                member.internal_id,
                spec.volume_id,
                credential.credential_id,
                "",
                member.state.ended,
                credential.read_only,
                credential.expires_at,
                None,
            )
        name, _, internal_id = login.username.rpartition(".")
        if name and self.system.fleet.get(internal_id) is not None:
            return await self._ask_panel(login, name, internal_id)
        return None if login.key else self._verify_token(login)

    async def _ask_panel(self, login: wire.Login, name: str, internal_id: str) -> Grant | None:
        """Return what the panel grants; a refusal counts as a wrong token of the client's address."""
        remote, attempts = self.system.config.remote, self.system.attempts
        if not (remote.enabled and remote.sftp_auth) or attempts.wait(login.address) > 0:
            return None
        question = PanelLogin(name, internal_id, login.password, login.key, login.address)
        async with self._asking:
            granted = await self.ask_panel(remote, question)
        member = self.system.fleet.get(internal_id)
        spec = None if member is None else member.state.spec
        if granted is None or member is None or spec is None:
            attempts.failed(login.address)
            return None
        return Grant(
            login.username,
            login.key,
            internal_id,
            spec.volume_id,
            PANEL,
            "",
            member.state.ended,
            granted.read_only,
            self.system.clock() + granted.ttl,
            None,
        )

    async def _find_credential(self, login: wire.Login) -> Credential | None:
        """Return the SFTP credential that is for this user name, and has the password or the key."""
        now, endings = self.system.clock(), self.system.fleet.endings
        for credential in self.system.sftp.view.state.credentials.values():
            if credential.login != login.username or not credential.opens(now, endings):
                continue
            if login.key:
                if login.key in credential.public_keys:
                    return credential
            elif credential.password_hash and self.system.attempts.wait(login.address) == 0:
                check = partial(passwords.matches, login.password, credential.password_hash)
                if await trio.to_thread.run_sync(check, limiter=self._hashing):
                    return credential
        return None

    def _verify_token(self, login: wire.Login) -> Grant | None:
        """Return what a token as password is accepted for; a wrong one counts as a guess of its address."""
        try:
            identity = self.gate.authenticate([login.password], login.address)
        except AccessError:
            return None
        member = self.system.fleet.get(login.username)
        spec = None if member is None else member.state.spec
        if member is None or spec is None or not self._allows(identity, member):
            return None
        return Grant(
            login.username,
            login.key,
            member.internal_id,
            spec.volume_id,
            identity.token_id,
            self._master_proof() if identity.is_master else "",
            member.state.ended,
            not identity.grant.allows("files.write"),
            identity.expires_at,
            identity,
        )

    def _allows(self, identity: Identity, member: Member) -> bool:
        grant = identity.grant
        return (
            grant.allows("files.read")
            and grant.reaches(member.internal_id)
            and visibility.sees(identity, member)
        )

    def _master_proof(self) -> str:
        authorization = self.system.config.authorization
        return to_digest(authorization.token)[:24] if authorization.enabled else ""

    def still_valid(self, grant: Grant) -> str | None:
        """Return why a session with ``grant`` must end, None if it may go on."""
        member = self.system.fleet.get(grant.internal_id)
        spec = None if member is None else member.state.spec
        if member is None or spec is None or spec.volume_id != grant.volume_id:
            return "the container was deleted"
        if member.state.ended != grant.position:
            return "the container was deleted"
        if grant.expires_at is not None and self.system.clock() >= grant.expires_at:
            return "the token has expired"
        if grant.credential == PANEL:
            remote = self.system.config.remote
            return None if remote.enabled and remote.sftp_auth else "the panel is no longer asked"
        if grant.credential.startswith(CREDENTIAL):
            known = self.system.sftp.view.state.credentials
            return None if grant.credential in known else "the credential was removed"
        if grant.credential == MASTER:
            return None if grant.proof == self._master_proof() else "the token is no longer valid"
        token = self.system.tokens.view.state.tokens.get(grant.credential)
        if token is None or not token.remaining(self.system.fleet.endings).reaches(grant.internal_id):
            return "the token was revoked"
        return None

    # Tickets

    def to_ticket(self, session: SftpSession, grant: Grant) -> str:
        """Return a text that only this node can have made."""
        fields = {
            **attrs.asdict(grant, filter=lambda field, _: field.name not in ("identity", "key")),
            "session": session.session_id,
            "method": session.method,
            "started_at": session.started_at,
        }
        content = base64.urlsafe_b64encode(json.dumps(fields).encode())
        return f"{content.decode()}.{self._sign(content)}"

    def _sign(self, content: bytes) -> str:
        return hmac.new(self.secret, content, hashlib.sha256).hexdigest()

    def from_ticket(self, ticket: str) -> tuple[SftpSession, Grant] | None:
        """Return what a ticket says, None if this node did not sign it."""
        content, _, signature = ticket.partition(".")
        if not hmac.compare_digest(self._sign(content.encode()), signature):
            return None
        try:
            fields = json.loads(base64.urlsafe_b64decode(content))
            session_id, method, started_at = (
                fields.pop(name) for name in ("session", "method", "started_at")
            )
            grant = Grant(key="", identity=None, **fields)
        except (ValueError, LookupError, TypeError):  # of another version of lightd
            return None
        return to_session(grant, session_id, method, started_at), grant


def to_session(grant: Grant, session_id: str, method: str, started_at: float) -> SftpSession:
    return SftpSession(
        session_id,
        grant.internal_id,
        grant.volume_id,
        grant.username,
        method,
        grant.credential,
        "",
        grant.read_only,
        started_at,
    )
