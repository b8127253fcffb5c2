"""Output as Docker stores and sends it: frames around that of a container without a terminal, and its end.

Each frame is a stream number, three zeros, the length in four bytes, then so many bytes (Engine API 1.41,
"Attach to a container"). stdout and stderr are merged in the order they come.
"""

import attrs

_HEADER = 8
_LENGTH = slice(4, 8)


@attrs.define(eq=False)
class Unframer:
    """Takes frames in pieces as they arrive, gives their contents."""

    _head: bytearray = attrs.field(factory=bytearray)
    _left: int = 0

    def feed(self, data: bytes) -> bytes:
        """Return what ``data`` holds of the contents; may be empty."""
        return self.feed_some(data, len(data))[0]

    def feed_some(self, data: bytes, most: int) -> tuple[bytes, bytes]:
        """Return what the first pieces of ``data`` hold of the contents, and what is left of it.

        A piece is a frame's head or its contents; ``most`` of them are looked at.
        """
        found: list[bytes] = []
        at = 0
        while at < len(data) and most:
            most -= 1
            if self._left:
                piece = data[at : at + self._left]
                self._left -= len(piece)
                found.append(piece)
            else:
                piece = data[at : at + _HEADER - len(self._head)]
                self._head += piece
                if len(self._head) == _HEADER:
                    self._left = int.from_bytes(self._head[_LENGTH], "big")
                    self._head.clear()
            at += len(piece)
        return b"".join(found), data[at:]


@attrs.define(eq=False)
class Tail:
    """The end of an output: at most ``bound`` bytes of it, the rest is ``cut`` off on the way."""

    bound: int
    _kept: bytearray = attrs.field(factory=bytearray)
    cut: bool = False

    def add(self, data: bytes) -> None:
        self._kept += data
        if len(self._kept) > 2 * self.bound:
            self._shorten()

    def take(self) -> bytes:
        """What is kept, from the beginning of a line on."""
        if len(self._kept) > self.bound:
            self._shorten()
        return bytes(self._kept.partition(b"\n")[2] if self.cut else self._kept)

    def _shorten(self) -> None:
        del self._kept[: -self.bound]
        self.cut = True
