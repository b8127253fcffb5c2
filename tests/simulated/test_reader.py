"""Reading one process over several attachments: each line once."""

import attrs
import trio

from actors.container.console.console import Console
from actors.container.console.lines import to_texts
from actors.container.console.reader import LOST, Reader
from actors.container.engine import Backlog, EngineUnavailable, Logged
from actors.kernel.ephemeral import Wake


@attrs.define
class Log:
    """An engine of which only the log is asked; ``asked`` has from when on."""

    lines: list = attrs.field(factory=list)
    cut: bool = False
    down: bool = False
    hangs: bool = False
    asked: list = attrs.field(factory=list)

    def print(self, at, *texts):
        self.lines += [Logged(at + index / 1000, text.encode()) for index, text in enumerate(texts)]

    async def backlog(self, engine_id, since):
        await trio.lowlevel.checkpoint()
        self.asked.append(since)
        if self.hangs:
            await trio.sleep_forever()
        if self.down:
            raise EngineUnavailable("down")
        return Backlog([logged for logged in self.lines if logged.at >= since], self.cut)


@attrs.define
class Scene:
    now: float = 100.0
    log: Log = attrs.field(factory=Log)
    console: Console = attrs.field(factory=lambda: Console(Wake()))
    reader: Reader = attrs.field(init=False)

    def __attrs_post_init__(self):
        self.reader = self.another()

    def another(self, life="a:1"):
        return Reader(self.log, self.console, "a", life, lambda: self.now)

    async def begun(self, data=b""):
        """The process is started at 100, attached to, and prints ``data``."""
        self.reader.begin()
        await self.take(data)

    async def take(self, chunk):
        return to_texts(await self.reader.take(chunk))

    @property
    def lines(self):
        return list(self.console.lines.tail(10_000).items)


async def test_lines_printed_between_two_attachments_are_made_up_for():
    scene = Scene()
    scene.log.print(100, "one", "two", "three")
    await scene.begun(b"one\n")
    scene.now = 110
    assert await scene.reader.make_up(100, asked_at=109) == ["two", "three"]
    assert scene.lines == ["one", "two", "three"]


async def test_stream_s_repetition_of_the_log_is_left_out():
    scene = Scene()
    scene.log.print(109, "one", "two", "three")
    await scene.begun()
    await scene.reader.make_up(100, asked_at=109)
    assert await scene.take(b"two\n") == []  # three is to come
    assert await scene.take(b"three\nfour\nfi") == ["four"]
    assert await scene.take(b"ve\n") == ["five"]
    assert scene.lines == ["one", "two", "three", "four", "five"]
    assert len(scene.log.asked) == 1


async def test_lines_that_only_looked_like_a_repetition_are_shown_when_that_is_clear():
    scene = Scene()
    scene.log.print(109, "tick", "tock")
    await scene.begun()
    await scene.reader.make_up(100, asked_at=109)
    assert await scene.take(b"tick\n") == []
    scene.log.print(112, "tick", "boom")
    assert await scene.take(b"boom\n") == ["tick", "boom"]
    assert scene.lines == ["tick", "tock", "tick", "boom"]


async def test_line_like_the_last_one_that_comes_later_is_a_new_one():
    scene = Scene(now=109)
    scene.log.print(109, "tick")
    await scene.begun()
    await scene.reader.make_up(100, asked_at=109)
    scene.now = 109.1
    scene.log.print(109.1, "tick")
    assert await scene.take(b"tick\n") == ["tick"]
    assert scene.lines == ["tick", "tick"]


async def test_repetition_that_was_not_read_at_once_is_one_all_the_same(autojump_clock):
    scene = Scene(now=109)
    scene.log.print(109, "one")
    await scene.begun()
    await scene.reader.make_up(100, asked_at=109)
    scene.now = 110
    scene.log.print(109.1, "two")
    assert await scene.take(b"one\ntwo\n") == ["two"]
    assert scene.lines == ["one", "two"]


async def test_held_back_lines_are_shown_at_the_end():
    scene = Scene()
    scene.log.print(109, "tick", "tock")
    await scene.begun()
    await scene.reader.make_up(100, asked_at=109)
    await scene.take(b"tick\nEnd")
    scene.reader.end()
    assert scene.lines == ["tick", "tock", "tick", "End"]


async def test_prompt_that_was_read_before_is_joined_to_its_answer():
    scene = Scene()
    scene.log.print(100, "one")
    await scene.begun(b"one\n> ")
    scene.now = 110
    await scene.reader.make_up(100, asked_at=109)
    scene.log.print(111, "> say hi")
    assert await scene.take(b"say hi\r\n") == ["> say hi"]
    assert scene.lines == ["one", "> say hi"]


async def test_prompt_that_an_earlier_daemon_read_is_found_in_the_log():
    scene = Scene()
    scene.log.print(100, "one")
    await scene.begun(b"one\n")
    await scene.reader.make_up(100, asked_at=109)
    scene.log.print(110.5, "> say hi", "ok")
    scene.now = 111
    assert await scene.take(b"say hi\r\nok\r\n") == ["> say hi", "ok"]


async def test_line_that_the_engine_took_down_late_keeps_its_place():
    scene = Scene()
    await scene.begun()
    await scene.reader.make_up(100, asked_at=109)
    scene.log.print(109.1, "late", "next")
    assert await scene.take(b"next\n") == ["late", "next"]


async def test_line_that_the_log_never_has_is_shown_as_it_came(autojump_clock):
    scene = Scene()
    await scene.begun(b"> ")
    await scene.reader.make_up(100, asked_at=109)
    assert await scene.take(b"say hi\n") == ["> say hi"]
    for state in ("down", "hangs"):
        await scene.reader.make_up(100, asked_at=109)
        setattr(scene.log, state, True)
        assert await scene.take(b"next\n") == ["next"]
        setattr(scene.log, state, False)


async def test_prompt_that_was_finished_meanwhile_is_shown_once():
    scene = Scene()
    await scene.begun(b"> ")
    scene.log.print(101, "> say hi")
    await scene.reader.make_up(100, asked_at=109)
    scene.reader.end()
    assert scene.lines == ["> say hi"]


async def test_prompt_at_the_end_of_a_life_is_shown():
    scene = Scene()
    await scene.begun(b"> ")
    await scene.reader.make_up(100, asked_at=109)
    scene.reader.end()
    assert scene.lines == ["> "]


async def test_log_that_does_not_reach_back_is_told_of():
    scene = Scene()
    await scene.begun(b"one\n")
    scene.log.print(200, "five", "six")
    scene.now = 210
    await scene.reader.make_up(100, asked_at=209)
    assert scene.lines == ["one", LOST, "five", "six"]
    assert scene.log.asked == [100]  # what overlaps would begin before the life


async def test_line_missing_from_the_last_seconds_of_the_log_is_looked_for_in_all_of_it():
    scene = Scene(now=150)
    scene.log.print(101, "one", "two")
    await scene.begun(b"one\n")
    await scene.reader.make_up(100, asked_at=160)
    assert scene.lines == ["one", "two"]
    assert scene.log.asked == [148, 100]


async def test_life_whose_first_lines_the_log_has_lost_is_told_of():
    scene = Scene()
    scene.log.print(200, "five")
    scene.log.cut = True
    await scene.reader.make_up(100, asked_at=209)
    assert scene.lines == [LOST, "five"]


async def test_another_life_that_begins_alike_is_not_taken_for_this_one():
    scene = Scene()
    await scene.begun(b"Ready\nx")
    reader = scene.another("a:2")
    scene.log.print(100.1, "Ready", "x")
    await reader.make_up(100.05, asked_at=109)
    assert scene.lines == ["Ready", "x", "Ready", "x"]


async def test_empty_log_is_no_loss():
    scene = Scene()
    await scene.begun(b"one\n")
    await scene.reader.make_up(100, asked_at=109)
    assert scene.lines == ["one"]
