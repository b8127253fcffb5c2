"""Asks the game servers of containers, and keeps the answers for a while.

1. The only addresses that are connected to are those of ports that the container holds on this host.
2. One query of a container is under way at a time; those who ask meanwhile get its answer. At most
   ``MOST_AT_ONCE`` are under way on the node.
3. An answer has a limit of size and of time as a whole, so a server that sends without an end, or a byte a
   second, is ended. It is parsed in a thread where its size depends on the server.
"""

import time
from collections.abc import Callable, Iterable
from typing import Final

import attrs
import trio

from actors.container.spec import WILDCARDS, ContainerSpec, PortBinding
from lightd.games import minecraft, source
from lightd.games.answer import TRANSPORTS, BadAnswer, GameAnswer

LONGEST_WAIT: Final = 3.0
"""Seconds of one query."""
NAMES_WAIT: Final = 1.0
"""Seconds in which the names of players are waited for; not every server tells them."""
_MARGIN: Final = 0.1
"""Seconds before the end of a query at which the names are given up, so that the rest is still told."""
MOST_AT_ONCE: Final = 16
_CHUNK: Final = 16 * 1024
_MOST_STRAY: Final = 20
"""Packets of other kinds that are skipped."""

Key = tuple[str, int, str, str, int]


class NoQuery(Exception):  # noqa: N818 - names what is missing
    """The container has no query, or no port that it could be sent to."""


@attrs.frozen
class Asked:
    """What came of a query at ``at`` (Unix seconds): ``answer`` and ``latency`` in seconds, or ``error``."""

    at: float
    answer: GameAnswer | None = None
    latency: float | None = None
    error: str | None = None


@attrs.define(eq=False)
class _Entry:
    key: Key
    lock: trio.Lock = attrs.field(factory=trio.Lock)
    asked: Asked | None = None
    done_at: float = 0.0


def to_target(spec: ContainerSpec) -> PortBinding:
    """Return the port of the container that is asked; raises ``NoQuery``."""
    query = spec.query
    if query.protocol not in TRANSPORTS:
        raise NoQuery("the container has no query: set its field query, for example to minecraft")
    transport = TRANSPORTS[query.protocol]
    for port in spec.ports:
        if port.protocol == transport and query.port in (None, port.container_port):
            return port
    named = f" {query.port}" if query.port else ""
    raise NoQuery(f"query.port: the container holds no port{named} with the protocol {transport}")


@attrs.define(eq=False)
class GameQueries:
    """The queries of a node. ``clock`` is in Unix seconds."""

    clock: Callable[[], float]
    _entries: dict[str, _Entry] = attrs.field(factory=dict)
    _limiter: trio.Semaphore = attrs.field(factory=lambda: trio.Semaphore(MOST_AT_ONCE))

    async def ask(self, internal_id: str, spec: ContainerSpec, run: int, keep: float) -> Asked:
        """Return the answer of this run's server, which is at most ``keep`` seconds old.

        Raises ``NoQuery``.
        """
        target = to_target(spec)
        key = (internal_id, run, spec.query.protocol, target.ip, target.port)
        entry = self._entries.get(internal_id)
        if entry is None or entry.key != key:
            entry = self._entries[internal_id] = _Entry(key)
        async with entry.lock:
            if entry.asked is None or trio.current_time() - entry.done_at >= keep:
                async with self._limiter:
                    entry.asked = await self._ask(spec.query.protocol, target)
                entry.done_at = trio.current_time()
            return entry.asked

    def known(self, internal_id: str, run: int) -> Asked | None:
        """Return the last answer of this run's server, None if it was not asked."""
        entry = self._entries.get(internal_id)
        return entry.asked if entry is not None and entry.key[1] == run else None

    def keep_only(self, present: Iterable[str]) -> None:
        """Forget the answers of all other containers."""
        kept = frozenset(present)
        for internal_id in [each for each in self._entries if each not in kept]:
            del self._entries[internal_id]

    async def _ask(self, protocol: str, target: PortBinding) -> Asked:
        host = target.ip
        if host in WILDCARDS:
            host = "::1" if ":" in host else "127.0.0.1"
        try:
            with trio.fail_after(LONGEST_WAIT):
                if protocol == "minecraft":
                    answer, latency = await ask_minecraft(host, target.port)
                else:
                    answer, latency = await ask_source(host, target.port)
        except trio.TooSlowError:
            return Asked(self.clock(), error=f"the server did not answer within {LONGEST_WAIT:.0f} seconds")
        except OSError as error:
            return Asked(self.clock(), error=f"the server cannot be reached: {error.strerror or error}")
        except BadAnswer as error:
            return Asked(self.clock(), error=f"the server answered something else: {error}")
        return Asked(self.clock(), answer, round(latency, 4))


async def ask_minecraft(host: str, port: int) -> tuple[GameAnswer, float]:
    """Return the answer of a Minecraft server and its latency; raises ``OSError`` and ``BadAnswer``."""
    family = trio.socket.AF_INET6 if ":" in host else trio.socket.AF_INET
    with trio.socket.socket(family, trio.socket.SOCK_STREAM) as connection:
        await connection.connect((host, port))
        began = time.perf_counter()
        stream = trio.SocketStream(connection)
        await stream.send_all(minecraft.to_request(host, port))
        data, size, latency = bytearray(), None, 0.0
        while size is None or len(data) < size:
            chunk = await stream.receive_some(_CHUNK)
            if not chunk:
                raise BadAnswer("the connection ended before the answer did")
            latency = latency or time.perf_counter() - began
            data += chunk
            size = minecraft.to_size(bytes(data[:8])) if size is None else size
    answer = await trio.to_thread.run_sync(minecraft.to_answer, bytes(data[:size]))
    return answer, latency


async def ask_source(host: str, port: int) -> tuple[GameAnswer, float]:
    """Return the answer of a Source server and its latency; raises ``OSError`` and ``BadAnswer``."""
    family = trio.socket.AF_INET6 if ":" in host else trio.socket.AF_INET
    with trio.socket.socket(family, trio.socket.SOCK_DGRAM) as connection:
        await connection.connect((host, port))  # so that packets from elsewhere are not received
        began = time.perf_counter()
        await connection.send(source.to_info_request())
        packet = await _receive(connection, b"IA")
        latency = time.perf_counter() - began
        if challenge := source.to_challenge(packet):
            await connection.send(source.to_info_request(challenge))
            packet = await _receive(connection, b"I")
        answer = source.to_answer(packet)
        rest = trio.current_effective_deadline() - trio.current_time()
        with trio.move_on_after(max(0.0, min(NAMES_WAIT, rest - _MARGIN))):
            try:
                answer = await _ask_players(connection, answer)
            except (OSError, BadAnswer):
                return answer, latency
        return answer, latency


async def _ask_players(connection: trio.socket.SocketType, answer: GameAnswer) -> GameAnswer:
    await connection.send(source.to_players_request())
    packet = await _receive(connection, b"DA")
    if challenge := source.to_challenge(packet):
        await connection.send(source.to_players_request(challenge))
        packet = await _receive(connection, b"D")
    return source.with_players(answer, packet)


async def _receive(connection: trio.socket.SocketType, kinds: bytes) -> bytes:
    """Return the next packet of one of these kinds; raises ``OSError`` and ``BadAnswer``."""
    for _ in range(_MOST_STRAY):
        packet = await connection.recv(source.LONGEST)
        if source.is_of(packet, kinds):
            return packet
    raise BadAnswer("there were only other packets")
