"""The status of Minecraft Java servers (1.7 and newer), as the game's server list asks for it. Pure.

https://minecraft.wiki/w/Java_Edition_protocol/Server_List_Ping
"""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Final

from lightd.games.answer import BadAnswer, GameAnswer, to_count, to_names, to_text

LONGEST: Final = 256 * 1024
"""Bytes of an answer: the protocol allows 32,767 characters of JSON, most of them the server's icon."""
_LONGEST_NUMBER = 5
_MOST_PARTS = 200
_MOST_SAMPLE = 1000


def to_request(host: str, port: int) -> bytes:
    """Return the packets that ask for the status: a handshake, and an empty request."""
    name = host.encode()
    handshake = b"\x00" + _to_number(47) + _to_number(len(name)) + name + port.to_bytes(2, "big") + b"\x01"
    return _to_number(len(handshake)) + handshake + b"\x01\x00"


def _to_number(value: int) -> bytes:
    """Return a VarInt of a number that is not negative."""
    found = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _take_number(data: bytes, at: int) -> tuple[int, int] | None:
    """Return the VarInt at ``at`` and where it ends; None if it is not complete. Raises ``BadAnswer``."""
    value = 0
    for index in range(_LONGEST_NUMBER):
        if at + index >= len(data):
            return None
        byte = data[at + index]
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:  # noqa: PLR2004 - the last byte
            return value, at + index + 1
    raise BadAnswer("a number is too long")


def to_size(data: bytes) -> int | None:
    """Return the size of the whole packet that ``data`` begins, None if it is not told yet.

    Raises ``BadAnswer``.
    """
    head = _take_number(data, 0)
    if head is None:
        return None
    if not 0 < head[0] <= LONGEST:
        raise BadAnswer(f"the answer must have 1 to {LONGEST} bytes (got {head[0]})")
    return sum(head)


def to_answer(packet: bytes) -> GameAnswer:
    """Return what a whole packet says; raises ``BadAnswer``. Call it in a thread: it parses JSON."""
    at, numbers = 0, []
    for _ in range(3):  # the sizes of the packet and of the text, and the kind of packet between them
        taken = _take_number(packet, at)
        if taken is None:
            raise BadAnswer("the answer is too short")
        numbers.append(taken[0])
        at = taken[1]
    if numbers[1] != 0:
        raise BadAnswer("the answer is not a status")
    if len(packet) != at + numbers[2]:
        raise BadAnswer("the size of the status is wrong")
    try:
        status = json.loads(packet[at:].decode())
    except (ValueError, RecursionError):
        raise BadAnswer("the status is not JSON") from None
    if not isinstance(status, dict):
        raise BadAnswer("the status is not an object")
    return _to_answer(status)


def _to_answer(status: dict[str, object]) -> GameAnswer:
    players, version = status.get("players"), status.get("version")
    counts = players if isinstance(players, dict) else {}
    sample = counts.get("sample")
    named = islice(sample, _MOST_SAMPLE) if isinstance(sample, list) else None
    return GameAnswer(
        players=to_count(counts.get("online")),
        max_players=to_count(counts.get("max")),
        names=None
        if named is None
        else to_names(each.get("name") if isinstance(each, dict) else None for each in named),
        version=to_text(version.get("name")) if isinstance(version, dict) else None,
        motd=to_text("".join(islice(_to_parts(status.get("description")), _MOST_PARTS))),
    )


def _to_parts(component: object) -> Iterator[str]:
    """Yield the texts of a chat component in their order, without recursion."""
    waiting = [component]
    for _ in range(_MOST_PARTS):
        if not waiting:
            return
        each = waiting.pop()
        if isinstance(each, str):
            yield each[:_MOST_SAMPLE]
        elif isinstance(each, list):
            waiting += reversed(each[:_MOST_PARTS])
        elif isinstance(each, dict):
            waiting += [each.get("extra"), each.get("text")]
