"""The console alone: its lives, its input, its end."""

from actors.container.console import Console
from actors.kernel.ephemeral import Wake


async def test_a_life_is_known_by_its_run_and_its_container():
    console = Console(Wake())
    life = console.life(1, "a")
    assert console.life(1, "a") is life
    assert console.life(1, "b") is not life


async def test_whoever_still_asks_for_an_earlier_life_does_not_end_the_present_one():
    console = Console(Wake())
    life = console.life(2, "a")
    assert console.life(1, "a").run == 1
    assert console.life(2, "a") is life


async def test_an_unfinished_line_is_appended_at_the_end_of_the_stream():
    console = Console(Wake())
    assert console.write(b"one\ntwo") == ["one"]
    assert console.partial == "two"
    console.finish()
    console.finish()
    assert list(console.lines.tail(10).items) == ["one", "two"]
