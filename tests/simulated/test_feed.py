"""A feed among viewers that read, stall, come and go: each sees all in its order, or is told the gap."""

import attrs
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from lightd.http.live import broadcast as feeds
from lightd.http.live.broadcast import Broadcast, BroadcastBroken, Cut
from tests.support import soak

LINES = "line"
EVENT = "event"
GAP = "gap"


@attrs.define(eq=False, slots=False)
class Wire:
    """A socket that has room for ``room`` bytes until somebody reads; ``on_write`` is called by each try."""

    room: int
    taken: bytes = b""
    kept: int = 0
    busy: bool = False
    on_write: object = None
    tries: int = 0
    _moved: trio.Event = attrs.field(factory=trio.Event)

    def write_nowait(self, framed):
        self.tries += 1
        if self.on_write is not None:
            self.on_write()
        if self.busy or self.kept + len(framed) > self.room:
            return False
        self._take(framed)
        return True

    async def write(self, framed):
        self.busy = True
        await trio.lowlevel.checkpoint()
        while framed:
            part, framed = framed[: self.room - self.kept], framed[self.room - self.kept :]
            self._take(part)
            if framed:
                await self._moved.wait()
        self.busy = False

    def _take(self, data):
        self.taken += data
        self.kept += len(data)

    def read(self, size):
        self.kept = max(0, self.kept - size)
        self._moved.set()
        self._moved = trio.Event()

    def open(self):
        self.room = 1 << 40
        self.read(0)


@attrs.define(eq=False)
class Stage:
    """A feed that is filled by hand, and what really happened: ``story`` has (kind, number, line) of each."""

    nursery: trio.Nursery
    story: list = attrs.field(factory=list)
    feed: Broadcast = attrs.field(init=False)
    watchers: list = attrs.field(factory=list)
    line: int = 0
    position: int = 0

    def __attrs_post_init__(self):
        self.feed = Broadcast(Cut(0, 0), self.lost)

    async def lost(self, since, until):
        if until.line > since.line:
            yield to_bytes(GAP, until.line - since.line, until.line + 1)
        await trio.lowlevel.checkpoint()  # as a journal is read
        for kind, number, line in self.story:
            if kind == EVENT and since.position < number <= until.position:
                yield to_bytes(kind, number, line)

    def print(self, count):
        first, self.line = self.line + 1, self.line + count
        self.story.append((LINES, first, self.line))
        self.feed.publish(to_bytes(LINES, first, self.line), Cut(self.line, self.position))

    def happen(self):
        self.position += 1
        self.story.append((EVENT, self.position, self.line))
        self.feed.publish(to_bytes(EVENT, self.position, self.line), Cut(self.line, self.position))

    def join(self, room):
        watcher = Watcher(Wire(room), self.feed.cut)
        self.watchers.append(watcher)
        viewer = self.feed.join(watcher.wire)
        self.nursery.start_soon(watcher.run, viewer)
        return watcher


@attrs.define(eq=False)
class Watcher:
    wire: Wire
    joined: Cut
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    finished: bool = False
    failure: Exception | None = None

    async def run(self, viewer):
        with self.scope:
            try:
                await viewer.follow()
                self.finished = True
            except BroadcastBroken as failure:
                self.failure = failure
            finally:
                viewer.leave()

    def seen(self):
        """What came, whole frames only, checked: returns the last line, the last event, and the gaps."""
        line, position, gaps = self.joined.line, self.joined.position, 0
        for frame in self.wire.taken.split(b"\n")[:-1]:
            kind, one, two = frame.decode().split()
            one, two = int(one), int(two)
            if kind == LINES:
                assert one == line + 1, (frame, line)
                line = two
            elif kind == GAP:
                assert (one, two) == (two - line - 1, line + one + 1)
                line, gaps = two - 1, gaps + 1
            else:
                assert one == position + 1, (frame, position)
                assert line == two or gaps, (frame, line)
                assert line >= two
                position = one
        return line, position, gaps


def to_bytes(kind, one, two):
    return f"{kind} {one} {two}\n".encode()


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(feeds, "FRAMES", 6)
    monkeypatch.setattr(feeds, "JOINED", 3)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("print"), st.integers(1, 5)),
        st.tuples(st.just("happen")),
        st.tuples(st.just("join"), st.integers(1, 200)),
        st.tuples(st.just("read"), st.integers(0, 9), st.integers(1, 100)),
        st.tuples(st.just("leave"), st.integers(0, 9)),
        st.tuples(st.just("breathe"), st.integers(1, 5)),
        st.tuples(st.just("pause")),
    ),
    max_size=80,
)


async def play(steps, ending):
    async with trio.open_nursery() as nursery:
        stage = Stage(nursery)
        stage.join(1 << 40)
        left = []
        for name, *arguments in steps:
            if name in ("print", "happen", "join"):
                getattr(stage, name)(*arguments)
            elif name == "breathe":
                for _ in range(arguments[0]):
                    await trio.lowlevel.checkpoint()
            elif name == "pause":
                await trio.sleep(1)
            else:
                watcher = stage.watchers[arguments[0] % len(stage.watchers)]
                if name == "leave":
                    watcher.scope.cancel()
                    left.append(watcher)
                else:
                    watcher.wire.read(arguments[1])
        ending(stage.feed)
        for watcher in stage.watchers:
            watcher.wire.open()
    for watcher in stage.watchers:
        line, position, _ = watcher.seen()
        if watcher not in left:
            assert watcher.finished or watcher.failure
            assert (line, position) == (stage.line, stage.position)
    assert stage.feed.viewers == 0
    assert stage.feed.first == stage.feed.head + 1  # nothing is kept for nobody


@pytest.mark.soak
@settings(max_examples=soak.times(300), deadline=None)
@given(STEPS, st.booleans())
def test_viewers_see_the_stream_in_order_or_are_told_the_gap_whatever_happens(steps, fails):
    def end(feed):
        return feed.fail(ValueError("a bug")) if fails else feed.end()

    trio.run(play, steps, end, clock=MockClock(autojump_threshold=0))


async def test_viewer_at_the_head_is_written_to_without_a_task_switch(autojump_clock):
    async with trio.open_nursery() as nursery:
        stage = Stage(nursery)
        watcher = stage.join(1000)
        await wait_all_tasks_blocked()
        stage.print(1)
        assert watcher.wire.taken == b"line 1 1\n"
        nursery.cancel_scope.cancel()


async def test_full_window_exactly_at_the_head_loses_and_repeats_nothing(autojump_clock):
    async with trio.open_nursery() as nursery:
        stage = Stage(nursery)
        watcher = stage.join(9)
        await wait_all_tasks_blocked()
        stage.print(1)
        stage.print(1)
        stage.happen()
        await trio.sleep(1)
        assert watcher.wire.taken == b"line 1 1\n"
        for _ in range(10):
            watcher.wire.read(9)
            await trio.sleep(1)
        stage.print(1)
        assert watcher.seen() == (3, 1, 0)
        nursery.cancel_scope.cancel()


async def test_gap_tells_what_is_missing_and_events_never_are(autojump_clock):
    async with trio.open_nursery() as nursery:
        stage = Stage(nursery)
        watcher = stage.join(5)
        await wait_all_tasks_blocked()
        for _ in range(4):
            stage.print(2)
            stage.happen()
        for _ in range(6):
            stage.print(1)
        watcher.wire.open()
        await trio.sleep(1)
        assert watcher.wire.taken.startswith(
            b"gap 8 9\nevent 1 2\nevent 2 4\nevent 3 6\nevent 4 8\nline 9 9\n"
        )
        assert watcher.seen() == (14, 4, 1)
        nursery.cancel_scope.cancel()


async def test_viewer_that_leaves_or_joins_during_a_publish_disturbs_no_other(autojump_clock):
    async with trio.open_nursery() as nursery:
        stage = Stage(nursery)
        one, two, three = (stage.join(1000) for _ in range(3))
        await wait_all_tasks_blocked()
        leaver = next(viewer for viewer in stage.feed._live if viewer.socket is two.wire)
        late = []

        def leave():
            one.wire.on_write = None
            stage.feed.leave(leaver)
            two.wire.busy = True
            late.append(stage.join(1000))

        one.wire.on_write = leave
        stage.print(1)
        stage.print(1)
        await trio.sleep(1)
        assert one.seen() == three.seen() == (2, 0, 0)
        assert two.wire.taken in (b"", b"line 1 1\n")  # whether its turn had come by then
        assert late[0].seen() == (2, 0, 0)
        nursery.cancel_scope.cancel()


async def test_viewer_that_cannot_be_written_to_directly_is_written_to_in_batches(autojump_clock):
    async with trio.open_nursery() as nursery:
        stage = Stage(nursery)
        watcher = stage.join(1 << 40)
        watcher.wire.busy = True  # as under TLS
        watcher.wire.write_nowait = lambda framed: False
        writes = []
        write = watcher.wire.write

        async def counted(framed):
            writes.append(framed)
            await write(framed)

        watcher.wire.write = counted
        for _ in range(200):
            stage.print(1)
            await trio.sleep(0.005)
        await trio.sleep(1)
        assert watcher.seen()[0] == 200
        assert len(writes) < 200 * 0.005 / feeds.PAUSE * 2.2
        nursery.cancel_scope.cancel()


async def test_frames_published_before_the_end_are_sent_first(autojump_clock):
    async with trio.open_nursery() as nursery:
        stage = Stage(nursery)
        watcher = stage.join(5)
        live = stage.join(1000)
        await wait_all_tasks_blocked()
        stage.print(1)
        stage.happen()
        stage.feed.end()
        watcher.wire.open()
        await trio.sleep(1)
        assert watcher.seen() == live.seen() == (1, 1, 0)
        assert watcher.finished
        assert live.finished
        late = stage.join(5)
        await trio.sleep(1)
        assert late.finished
