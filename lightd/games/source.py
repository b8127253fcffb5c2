"""The information of servers with Source's query protocol (A2S_INFO and A2S_PLAYER). Pure.

https://developer.valvesoftware.com/wiki/Server_queries. Answers in several packets are not read: an answer of
``A2S_INFO`` is one packet, and without the names of the players the rest is still told.
"""

from typing import Final

import attrs

from lightd.games.answer import BadAnswer, GameAnswer, to_names, to_text

LONGEST: Final = 4096
"""Bytes of a packet; servers split what is longer than 1,400."""
_SINGLE: Final = b"\xff\xff\xff\xff"
_INFO = _SINGLE + b"TSource Engine Query\0"
_PLAYERS = _SINGLE + b"U"
_NO_CHALLENGE = b"\xff\xff\xff\xff"
_CHALLENGE = 4


def to_info_request(challenge: bytes = b"") -> bytes:
    """Return the packet that asks for the information, with the challenge that the server sent, if any."""
    return _INFO + challenge


def to_players_request(challenge: bytes = b"") -> bytes:
    """Return the packet that asks for the players; without a challenge it asks for one."""
    return _PLAYERS + (challenge or _NO_CHALLENGE)


def is_of(packet: bytes, kinds: bytes) -> bool:
    """Return whether ``packet`` is an answer in one packet of one of these kinds."""
    return packet.startswith(_SINGLE) and len(packet) > _CHALLENGE and packet[_CHALLENGE] in kinds


def to_challenge(packet: bytes) -> bytes | None:
    """Return the challenge of the packet, None if it is another one."""
    return packet[5:9] if is_of(packet, b"A") and len(packet) >= 9 else None  # noqa: PLR2004 - with its four bytes


@attrs.define
class _Reader:
    data: bytes
    at: int

    def take(self, size: int) -> bytes:
        part = self.data[self.at : self.at + size]
        if len(part) < size:
            raise BadAnswer("the answer is too short")
        self.at += size
        return part

    def text(self) -> str:
        end = self.data.find(b"\0", self.at)
        if end < 0:
            raise BadAnswer("a text has no end")
        part, self.at = self.data[self.at : end], end + 1
        return part.decode("utf-8", "replace")


def to_answer(packet: bytes) -> GameAnswer:
    """Return what an answer to the first request says; raises ``BadAnswer``."""
    if not is_of(packet, b"I"):
        raise BadAnswer("the answer is not that of A2S_INFO")
    reader = _Reader(packet, 6)  # after the version of the protocol
    name, level = reader.text(), reader.text()
    reader.text()  # the folder
    reader.text()  # the game
    reader.take(2)  # the game's id
    players, most = reader.take(1)[0], reader.take(1)[0]
    reader.take(5)  # bots, kind of server, operating system, password, VAC
    version = reader.text()
    return GameAnswer(players, most, None, to_text(level), to_text(version), to_text(name))


def with_players(answer: GameAnswer, packet: bytes) -> GameAnswer:
    """Return ``answer`` with the names in an answer to the second request; raises ``BadAnswer``."""
    if not is_of(packet, b"D"):
        raise BadAnswer("the answer is not that of A2S_PLAYER")
    reader = _Reader(packet, 5)
    names = []
    for _ in range(reader.take(1)[0]):
        reader.take(1)
        names.append(reader.text())
        reader.take(8)  # the score, and the seconds of its connection
    return attrs.evolve(answer, names=to_names(names))
