"""A WebSocket that keeps what it is sent, and a viewer that follows a container on it."""

import json

import attrs
import trio


@attrs.define(eq=False)
class Page:
    """A socket that takes everything, and remembers when."""

    frames: list = attrs.field(factory=list)

    def write_nowait(self, framed):
        now = trio.current_time()
        self.frames += [(now, frame) for frame in to_values(framed)]
        return True

    async def write(self, framed):
        self.write_nowait(framed)
        await trio.lowlevel.checkpoint()

    @property
    def told(self):
        return [frame for _, frame in self.frames]

    @property
    def text(self):
        return "".join(frame["data"] for frame in self.told if frame["event"] == "console")


def to_values(framed):
    while framed:
        size, start = framed[1], 2
        if size == 126:
            size, start = int.from_bytes(framed[2:4]), 4
        elif size == 127:
            size, start = int.from_bytes(framed[2:10]), 10
        yield json.loads(framed[start : start + size])
        framed = framed[start + size :]


async def look_on(stations, member, page):
    with stations.container(member) as station:
        viewer = await station.join(page)
        try:
            await viewer.follow()
        finally:
            viewer.leave()
