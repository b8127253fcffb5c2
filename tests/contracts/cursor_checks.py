"""What every cursor store must do. Each ``check_*`` takes an empty ``CursorStore``."""

from actors.remotesync.cursors import Cursor

STRANGE = "контейнер 🎮 'x' %_*\x00"


async def check_cursor_that_was_never_saved_is_none(cursors):
    assert await cursors.load("panel") is None


async def check_cursor_has_the_position_and_the_versions_that_were_saved(cursors):
    await cursors.save("panel", 7, {"a": 1, "b": 2})
    assert await cursors.load("panel") == Cursor(7, {"a": 1, "b": 2})


async def check_save_leaves_the_versions_that_it_does_not_name(cursors):
    await cursors.save("panel", 7, {"a": 1, "b": 2})
    await cursors.save("panel", 8, {"b": 3, "c": 0})
    assert await cursors.load("panel") == Cursor(8, {"a": 1, "b": 3, "c": 0})


async def check_none_removes_a_version_that_may_not_be_there(cursors):
    await cursors.save("panel", 7, {"a": 1, "b": 2})
    await cursors.save("panel", 9, {"a": None, "never": None})
    assert await cursors.load("panel") == Cursor(9, {"b": 2})


async def check_position_can_be_saved_twice(cursors):
    await cursors.save("panel", 0, {})
    assert await cursors.load("panel") == Cursor(0)
    await cursors.save("panel", 0, {"a": 1})
    assert await cursors.load("panel") == Cursor(0, {"a": 1})


async def check_cursors_of_other_names_are_others(cursors):
    await cursors.save("panel", 1, {"a": 1})
    await cursors.save("audit", 2, {"a": 2})
    assert await cursors.load("panel") == Cursor(1, {"a": 1})
    assert await cursors.load("audit") == Cursor(2, {"a": 2})


async def check_names_may_hold_anything(cursors):
    await cursors.save(STRANGE, 1, {STRANGE: 1})
    assert await cursors.load(STRANGE) == Cursor(1, {STRANGE: 1})


async def check_many_versions_are_kept(cursors):
    versions = {f"server-{number}": number for number in range(5000)}
    await cursors.save("panel", 1, versions)
    assert await cursors.load("panel") == Cursor(1, versions)
    await cursors.save("panel", 2, dict.fromkeys(versions))
    assert await cursors.load("panel") == Cursor(2)
