"""The console alone: its lives, its input, its end."""

from actors.container.console.console import MARKERS, Console
from actors.container.console.lines import to_texts
from actors.container.console.log import Numbered, Tail
from actors.container.spec import ContainerSpec
from actors.container.state import Phase, State
from actors.kernel.ephemeral import Wake

A_SPEC = ContainerSpec("s1", "image", "v1", "command")


async def test_last_words_are_of_one_run_though_the_rest_of_the_one_before_is_read_late():
    console = Console(Wake())
    console.begin("a:1")
    console.write(b"first\n")
    console.runs.follow(State(Phase.STARTING, A_SPEC, engine_id="a", run=2), replayed=False)
    console.write(b"rest\n")
    assert console.tail_of("a:2") == ()
    console.begin("a:2")
    assert console.tail_of("a:2") == ()
    console.write(b"second\n")
    assert console.tail_of("a:2") == ("second",)
    assert console.tail_of("a:1") == ("first", "rest")


async def test_unfinished_line_is_appended_at_the_end_of_the_stream():
    console = Console(Wake())
    assert to_texts(console.write(b"one\ntwo")) == ["one"]
    assert console.unfinished == "two"
    console.finish()
    console.finish()
    assert list(console.lines.tail(10).items) == ["one", "two"]


async def test_event_has_its_place_among_the_lines_and_the_notes():
    console = Console(Wake())
    console.write(b"one\n")
    console.mark(5)
    console.write(b"two\n")
    console.say("note")
    console.mark(5)  # shown again, by the next incarnation
    console.mark(8)
    console.write(b"three\n")
    assert [(seam.line, seam.note) for seam in map(console.marker, (5, 6, 8, 9))] == [
        (1, 0),
        (2, 1),
        (2, 1),
        (3, 1),
    ]


async def test_event_of_which_the_place_is_forgotten_comes_no_later_than_the_next():
    console = Console(Wake())
    for position in range(1, 2 * MARKERS):
        console.write(b"line\n")
        console.mark(position)
    assert console.marker(1).line == console.marker(MARKERS).line == MARKERS
    assert console.marker(2 * MARKERS - 1).line == 2 * MARKERS - 1


class Earlier:
    """The log of a version that stored lines as they came."""

    async def restore(self, _console):
        return Tail(3, ["two", "> \r\x1b[Kthree"], times=[1.0, None])

    async def read(self, _console, before, limit):
        return [Numbered(1, "10%\r20%"), Numbered(2, "two")][: before - 1][-limit:]

    def note(self, console):
        pass


async def test_lines_of_an_earlier_version_are_shown_as_a_person_sees_them():
    console = Console(Wake(), "s1", Earlier())
    await console.restore()
    assert console.lines.tail(5).items == ["two", "three"]
    assert [(line.number, line.text, line.at) for line in await console.end(5)] == [
        (1, "20%", None),
        (2, "two", 1.0),
        (3, "three", None),
    ]


async def test_beginning_of_a_line_that_another_attachment_read_is_a_part_of_it():
    console = Console(Wake())
    console.head = "Choose "
    console.write(b"World: ")
    assert console.unfinished == "Choose World: "
    console.finish()
    console.head = "alone"
    console.finish()
    assert console.lines.tail(5).items == ["Choose World: ", "alone"]
