"""The daemon's TLS certificate, which is reloaded when its files change.

1. Each pair of certificate and key has its own context: open connections keep the one they started with.
2. A pair that is not valid changes nothing: the old one is kept, and the log says why, once for each change.
3. A change is used after it was seen twice unchanged, because the two files are rarely written at once.

Every problem is a ``ConfigurationError`` with a line for each mistake.
"""

import logging
import os
import ssl
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import attrs
import trio

from lightd.config.sections import ConfigurationError, Tls

logger = logging.getLogger(__name__)

LOOK_EVERY = 2.0  # seconds
PROTOCOLS = ("http/1.1",)  # of ALPN (RFC 7301)
_FOREIGN_KEY = "KEY_VALUES_MISMATCH"
_NO_KEY = ("PEM", "NO_START_LINE", "DECODER")

Stamp: TypeAlias = tuple[tuple[int, ...] | None, ...]
"""Identifies a state of the two files; None for a missing one."""


class _PassphraseWanted(Exception):  # noqa: N818 - names the state
    pass


@attrs.frozen(eq=False)
class Pair:
    """A certificate with its key, ready to use, and the state of their files."""

    context: ssl.SSLContext
    stamp: Stamp


def read(tls: Tls) -> Pair | None:
    """The pair in the files that ``tls`` names, or None; raises ``ConfigurationError``."""
    if tls.cert is None or tls.key is None:
        return None
    stamp = _look(tls)
    troubles = [_find_trouble(tls.cert), _find_trouble(tls.key, private=True)]
    _raise_any(zip(("cert", "key"), troubles, strict=True))
    return Pair(_to_context(tls.cert, tls.key), stamp)


def _raise_any(troubles: "zip[tuple[str, str | None]]") -> None:
    found = [f"server.tls.{name}: {trouble}" for name, trouble in troubles if trouble is not None]
    if found:
        raise ConfigurationError(*found)


def _find_trouble(path: Path, *, private: bool = False) -> str | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # opening a FIFO would block
        try:
            found = os.fstat(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    if not stat.S_ISREG(found.st_mode):
        return "cannot be read: not a regular file"
    if private and found.st_mode & stat.S_IRWXO:
        return f"can be read by every user (mode {stat.S_IMODE(found.st_mode):04o}): chmod 600 {path}"
    return None


def _to_context(cert: Path, key: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION  # it costs the client nothing and the server a handshake
    context.set_alpn_protocols(PROTOCOLS)
    try:
        ssl.create_default_context().load_verify_locations(cert)
    except (ssl.SSLError, OSError):
        raise ConfigurationError("server.tls.cert: contains no PEM certificate") from None
    try:
        context.load_cert_chain(cert, key, password=_refuse_passphrase)
    except _PassphraseWanted:
        mistake = "server.tls.key: is encrypted; a key without a passphrase is required"
        raise ConfigurationError(mistake) from None
    except ssl.SSLError as error:
        raise ConfigurationError(_to_mistake(error, cert)) from None
    except OSError as error:
        raise ConfigurationError(f"server.tls.key: cannot be read: {error.strerror or error}") from None
    return context


def _refuse_passphrase() -> str:
    raise _PassphraseWanted


def _to_mistake(error: ssl.SSLError, cert: Path) -> str:
    if error.reason == _FOREIGN_KEY:
        return f"server.tls.key: does not belong to the certificate in {cert}"
    if any(sign in str(error) for sign in _NO_KEY):
        return "server.tls.key: contains no PEM private key"
    return f"server.tls.cert: cannot be used: {error.reason.replace('_', ' ').lower()}"


def _look(tls: Tls) -> Stamp:
    return tuple(None if path is None else _look_at(path) for path in (tls.cert, tls.key))


def _look_at(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns)


@attrs.define(eq=False)
class Certificate:
    """The pair for new connections."""

    pair: Pair
    _tried: Stamp = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._tried = self.pair.stamp

    def to_context(self) -> ssl.SSLContext:
        """Return the TLS context for the next connection."""
        return self.pair.context

    def put(self, pair: Pair) -> None:
        """Use ``pair`` for new connections."""
        if pair.stamp != self.pair.stamp:
            logger.info("loaded the new certificate")
        self.pair, self._tried = pair, pair.stamp

    async def watch(self, to_tls: Callable[[], Tls]) -> None:
        """Reload the files that ``to_tls`` names whenever they change, for ever."""
        before = self._tried
        while True:
            await trio.sleep(LOOK_EVERY)
            found = await trio.to_thread.run_sync(_look, to_tls())
            if found == before and found != self._tried:
                self._tried = found
                await self._take_on(to_tls())
            before = found

    async def _take_on(self, tls: Tls) -> None:
        try:
            pair = await trio.to_thread.run_sync(read, tls)
        except ConfigurationError as error:
            for mistake in error.mistakes:
                logger.error("the certificate was not reloaded: %s", mistake)  # noqa: TRY400 - a sentence says it
        else:
            if pair is not None:
                self.put(pair)


@asynccontextmanager
async def open_certificate(to_tls: Callable[[], Tls]) -> AsyncIterator[Certificate | None]:
    """Yield the daemon's certificate, which follows its files; None if ``to_tls`` names none.

    Raises ``ConfigurationError``.
    """
    pair = await trio.to_thread.run_sync(read, to_tls())
    if pair is None:
        yield None
        return
    certificate = Certificate(pair)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(certificate.watch, to_tls)
        yield certificate
        nursery.cancel_scope.cancel()
