"""One SSH connection: the process that serves it from the handshake to the end.

It gives up its privileges before it reads from the client (``privileges.confine``). The client logs in; the
daemon decides. Before the first SFTP request is read the process becomes the volume's user and sees nothing
but the volume (``privileges.enter``). Paths are then plain paths: no link and no ``..`` leads out of them.
"""

import asyncio
import gc
import logging
import os
import signal
import socket
from collections.abc import Mapping
from typing import Final

import asyncssh
import attrs
from asyncssh.constants import MSG_CHANNEL_DATA, MSG_IGNORE
from asyncssh.packet import SSHPacketLogger

from lightd.sftp import wire
from lightd.sftp.server import privileges
from lightd.sftp.server.files import Files
from lightd.sftp.server.journal import Journal
from lightd.sftp.server.link import Link, LinkLost

logger = logging.getLogger(__name__)

ATTEMPTS: Final = 6
"""Passwords and keys that a connection may try."""
LOGIN: Final = 20.0
"""Seconds that a client has to log in."""
ALONE: Final = 600.0
"""Seconds that a session goes on without a daemon, which could end it."""
REPORT: Final = 1.0
CHANNELS: Final = 10
"""SFTP sessions that one connection can have at a time."""

KEX: Final = (
    "mlkem768x25519-sha256",
    "sntrup761x25519-sha512",
    "sntrup761x25519-sha512@openssh.com",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group18-sha512",
    "diffie-hellman-group14-sha256",
)
# Without ChaCha20-Poly1305, which OpenSSH's clients would choose: in asyncssh it takes 1.6 times as long.
CIPHERS: Final = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
)
MACS: Final = (
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "umac-128-etm@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-512",
)
SIGNATURES: Final = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-256",
    "rsa-sha2-512",
)


def to_options(keys: list[asyncssh.SSHKey]) -> Mapping[str, object]:
    """Return asyncssh's options: only algorithms that are current, nothing but SFTP."""
    return {
        "server_host_keys": keys,
        "kex_algs": _supported(asyncssh.kex.get_kex_algs(), KEX),
        "encryption_algs": _supported(asyncssh.encryption.get_encryption_algs(), CIPHERS),
        "mac_algs": _supported(asyncssh.mac.get_mac_algs(), MACS),
        "compression_algs": ["none"],
        "signature_algs": list(SIGNATURES),
        "login_timeout": LOGIN,
        "keepalive_interval": 60,
        "keepalive_count_max": 3,
        "gss_host": None,
        "host_based_auth": False,
        "kbdint_auth": False,
        "agent_forwarding": False,
        "x11_forwarding": False,
        "allow_pty": False,
        "line_editor": False,
        "allow_scp": False,
        "server_version": "lightd",
        "sftp_version": 3,
    }


def _supported(known: list[bytes], wanted: tuple[str, ...]) -> list[str]:
    return [name for name in wanted if name.encode() in known]


class Connection(asyncssh.SSHServerConnection):
    """The connection, without what asyncssh does in a thread: a thread would keep its capabilities.

    asyncssh sends each packet by itself, and an empty one before it against attacks on CBC, which is not
    offered here. A download takes half of the processor's time if data packets of one turn of the loop are
    sent together, and the empty ones are left out.
    """

    _outgoing: list[bytes] | None = None
    _is_data = False

    def send_packet(self, pkttype: int, *args: bytes, handler: SSHPacketLogger | None = None) -> None:
        """Send a packet, but no empty one."""
        if pkttype == MSG_IGNORE:
            return
        self._is_data = pkttype == MSG_CHANNEL_DATA
        super().send_packet(pkttype, *args, handler=handler)

    def _send(self, data: bytes) -> None:
        if self._outgoing is None:
            if not self._is_data:
                super()._send(data)
                return
            self._outgoing = []
            asyncio.get_running_loop().call_soon(self._flush)
        self._outgoing.append(data)
        if not self._is_data:
            self._flush()

    def _flush(self) -> None:
        outgoing, self._outgoing = self._outgoing, None
        if outgoing:
            super()._send(b"".join(outgoing))

    async def reload_config(self) -> None:
        """Nothing depends on the user's name: there are no configuration files."""


@attrs.define(eq=False)
class Session(asyncssh.SSHServer):
    """asyncssh's view of the connection. ``opened`` is set when the process is in the volume."""

    link: Link = attrs.field(init=False)
    journal: Journal = attrs.field(init=False)
    address: str
    connection: asyncssh.SSHServerConnection | None = None
    transport: asyncio.Transport | None = None
    attempts: int = 0
    username: str = ""
    key: str = ""
    accepted: wire.Accepted | None = None
    channels: int = 0
    ended: asyncio.Event = attrs.field(factory=asyncio.Event)
    _entering: asyncio.Lock = attrs.field(factory=asyncio.Lock)

    # asyncssh calls these

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.connection = conn

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None and not isinstance(exc, asyncssh.Error | OSError):
            logger.error("a connection failed", exc_info=exc)
        self.ended.set()

    def begin_auth(self, username: str) -> bool:  # noqa: ARG002 - as above
        return True

    def password_auth_supported(self) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    async def validate_password(self, username: str, password: str) -> bool:
        self.key = ""
        return await self._ask(username, password, "")

    async def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        self.key = " ".join(key.export_public_key("openssh").decode().split()[:2])
        return await self._ask(username, "", self.key)

    async def _ask(self, username: str, password: str, key: str) -> bool:
        if self.attempts >= ATTEMPTS:
            self.end("too many attempts to log in")
            return False
        lengths = (len(text.encode("utf-8", "surrogatepass")) for text in (username, password, key))
        self.username = username
        try:
            if max(lengths) > wire.LONGEST_TEXT:
                verdict: object = wire.Verdict(accepted=False)
            else:
                verdict, _ = await self.link.ask(wire.Login(username, password, key, self.address))
        except LinkLost as lost:
            self.end(str(lost))
            return False
        accepted = isinstance(verdict, wire.Verdict) and verdict.accepted
        self.attempts += not accepted
        return accepted

    # What the session does itself

    async def serve(self, channel: asyncssh.SSHServerChannel[bytes]) -> Files:
        """Return the SFTP server of a channel; the first one enters the volume."""
        async with self._entering:
            if self.accepted is None:
                await self._enter()
        if self.accepted is None or self.channels >= CHANNELS:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "not now")
        self.channels += 1
        return Files(channel, self, self.journal)

    async def _enter(self) -> None:
        try:
            answer, volume = await self.link.ask(wire.Open(self.username, self.key, os.getpid()))
        except LinkLost as lost:
            self.end(str(lost))
            return
        if not isinstance(answer, wire.Accepted) or volume is None:
            self.end(answer.reason if isinstance(answer, wire.Refused) else "the daemon refused it")
            return
        try:
            privileges.enter(volume, answer.user)
        except OSError:
            os._exit(3)  # never serves what it could not leave
        self.accepted = answer
        self.journal.take_on(answer)
        self.link.enter()

    def end(self, reason: str) -> None:
        """Disconnect the client, which may show the reason."""
        if self.connection is not None:
            self.connection.disconnect(asyncssh.DISC_BY_APPLICATION, reason)
        self.ended.set()

    def greeting(self) -> wire.Request | None:
        """Return how the session goes on with another daemon, None before it was opened."""
        accepted = self.accepted
        if accepted is None:
            return None
        return wire.Resume(accepted.session, accepted.ticket, self.address, os.getpid())

    def told(self, message: wire.Answer) -> None:
        """Obey what the daemon says unasked."""
        if isinstance(message, wire.End):
            self.end(message.reason)
        elif isinstance(message, wire.Deny):
            self.journal.denied(message.denied)

    def greeted(self, answer: wire.Answer) -> None:
        """Go on with another daemon, or end."""
        if isinstance(answer, wire.Accepted):
            self.accepted = answer
            self.journal.take_on(answer)
        else:
            self.end(answer.reason if isinstance(answer, wire.Refused) else "the daemon refused it")


async def _serve(
    client: socket.socket, link: Link, session: Session, options: asyncssh.SSHServerConnectionOptions
) -> None:
    loop = asyncio.get_running_loop()
    link.open()
    session.transport, _ = await loop.connect_accepted_socket(
        lambda: Connection(loop, options),
        client,
    )
    while not session.ended.is_set():
        try:
            async with asyncio.timeout(REPORT):
                await session.ended.wait()
        except TimeoutError:
            pass
        session.journal.report(link)
        if link.lost_at is not None and loop.time() - link.lost_at > ALONE:
            session.end("lightd is not running")
    session.journal.report(link)


def run(
    client: socket.socket,
    daemon: socket.socket,
    control: socket.socket,
    empty: str,
    options: Mapping[str, object],
    address: str,
) -> None:
    """Serve one connection; the calling process has nothing else to do, and ends afterwards."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    gc.freeze()
    session = Session(address)
    made = asyncssh.SSHServerConnectionOptions(
        **options,
        server_factory=lambda: session,
        sftp_factory=session.serve,
    )
    privileges.confine(empty)
    session.link = Link(daemon, control, session.told, session.greeted, session.greeting)
    session.journal = Journal(session.link)
    asyncio.run(_serve(client, session.link, session, made))
