"""Imported eggs on disk: what is stored stays, whatever is interrupted, and what is used is never removed."""

import errno
import json
import os
import shutil
import signal
import sys
from functools import partial

import pytest
import trio

from actors.kernel.decider import Rejection
from lightd.eggs import limits, version_files
from lightd.eggs import store as eggs
from lightd.eggs.errors import EggError
from lightd.eggs.store import open_egg_store, to_id
from tests.support.example_egg import EGG


def a_file(**changes):
    return json.dumps({**EGG, **changes}).encode()


def numbered(number):
    return a_file(description=f"version {number}")


@pytest.fixture
async def store(tmp_path):
    """An empty store; its clock says 1000."""
    async with open_egg_store(tmp_path, lambda: 1000.0) as store:
        yield store


def on_disk(folder):
    return sorted(path.name for path in (folder / version_files.FOLDER).iterdir())


async def reopened(folder):
    async with open_egg_store(folder, lambda: 2000.0) as again:
        return again


async def test_import_is_found_again_after_a_restart(store, tmp_path):
    imported = await store.put(a_file())
    assert (imported.entry.id, imported.is_new) == ("a-game", True)
    again = await reopened(tmp_path)
    assert list(again) == list(store) == [imported.entry]
    found = await again.read("a-game")
    assert found == await store.read("a-game", imported.version)
    assert found.egg == imported.parsed.found.egg
    assert json.loads(found.text)["meta"]["version"] == "PLCN_v3"


async def test_version_is_named_for_its_content_and_its_format_makes_no_other(store):
    first = await store.put(a_file())
    again = await store.put(first.parsed.text.encode())  # the same egg as it is exported
    assert (again.is_new, again.version) == (False, first.version)
    assert again.entry.versions == first.entry.versions


async def test_same_id_makes_a_new_version_and_an_old_content_is_the_newest_again(store):
    one = await store.put(numbered(1))
    two = await store.put(numbered(2))
    assert [each.version for each in two.entry.versions] == [one.version, two.version]
    assert store.find("a-game").newest == two.version
    assert (await store.read("a-game", one.version)).egg.description == "version 1"
    back = await store.put(numbered(1))
    assert not back.is_new
    assert [each.version for each in back.entry.versions] == [two.version, one.version]
    other = await store.put(numbered(1), "another")
    assert (other.entry.id, other.is_new, other.version) == ("another", True, one.version)


@pytest.mark.parametrize(
    ("name", "egg_id"),
    [
        ("Minecraft: Paper", "minecraft-paper"),
        ("  Ünïcode ß Gäme!! ", "unicode-game"),
        ("日本語", "egg"),
        ("../../etc/passwd", "etc-passwd"),
        ("x" * 500, "x" * 63),
        ("a" * 62 + "  b", "a" * 62),
        ("-.-", "egg"),
        ("Check", "egg-check"),
    ],
)
def test_id_is_made_of_the_name(name, egg_id):
    assert to_id(name) == egg_id
    assert limits.ID.fullmatch(to_id(name))


async def test_file_that_is_no_egg_changes_nothing(store, tmp_path):
    with pytest.raises(EggError, match="neither JSON nor YAML"):
        await store.put(b"\x00")
    assert (list(store), on_disk(tmp_path)) == ([], [])


async def test_unknown_egg_and_version_are_told_apart(store):
    await store.put(a_file())
    for egg_id, version, message in (
        ("none", None, "no such egg"),
        ("none", "0" * 16, "no such egg"),
        ("a-game", "0" * 16, "the egg a-game has no such version"),
        ("../a-game", None, "no such egg"),
        ("a-game", "../../../../etc/passwd", "the egg a-game has no such version"),
    ):
        with pytest.raises(Rejection, match=message) as refused:
            await store.read(egg_id, version)
        assert refused.value.code == "egg_not_found"


async def test_deleted_egg_is_gone_from_the_disk(store, tmp_path):
    await store.put(numbered(1))
    await store.put(numbered(2))
    await store.delete("a-game")
    assert on_disk(tmp_path) == ["index.json"]
    assert list(await reopened(tmp_path)) == []
    with pytest.raises(Rejection, match="no such egg"):
        await store.delete("a-game")


async def test_used_or_held_version_is_never_removed(store, tmp_path):
    used = await store.put(numbered(1))
    held = await store.put(numbered(2))
    store.users = lambda egg_id: {used.version: [f"s{n:02}" for n in range(12)]} if egg_id == "a-game" else {}
    with pytest.raises(Rejection, match=r"is used by: s00, .* s09 and 2 more$") as refused:
        await store.delete("a-game")
    assert refused.value.code == "egg_in_use"
    with store.hold("a-game", held.version):
        for number in range(3, 3 + 2 * eggs.MOST_VERSIONS):
            await store.put(numbered(number))
        versions = [each.version for each in store.find("a-game").versions]
        assert versions[:2] == [used.version, held.version]
        assert len(versions) == eggs.MOST_VERSIONS
        assert len(on_disk(tmp_path)) == eggs.MOST_VERSIONS + 1
        store.users = lambda _: {}
        with pytest.raises(Rejection, match="a container is being created from the egg a-game"):
            await store.delete("a-game")
    await store.delete("a-game")


async def test_import_is_refused_if_containers_use_all_versions(store, tmp_path):
    for number in range(eggs.MOST_VERSIONS):
        await store.put(numbered(number))
    before = on_disk(tmp_path)
    store.users = lambda _: {each.version: ["s1"] for each in store.find("a-game").versions}
    with pytest.raises(Rejection, match="upgrade some") as refused:
        await store.put(numbered(100))
    assert refused.value.code == "too_many_eggs"
    assert on_disk(tmp_path) == before
    assert not (await store.put(numbered(0))).is_new


async def test_number_and_size_of_eggs_are_limited(store, monkeypatch):
    monkeypatch.setattr(eggs, "MOST_EGGS", 2)
    for egg_id in ("a", "b"):
        await store.put(a_file(), egg_id)
    with pytest.raises(Rejection, match="there are 2 eggs already"):
        await store.put(a_file(), "c")
    await store.put(numbered(2), "a")
    monkeypatch.setattr(eggs, "MOST_BYTES", sum(entry.size for entry in store) + 10)
    with pytest.raises(Rejection, match="more than"):
        await store.put(numbered(3), "a")
    assert not (await store.put(numbered(2), "a")).is_new


async def test_egg_that_is_being_deleted_can_not_be_held(store, monkeypatch):
    imported = await store.put(a_file())
    seen = []

    def remove(files, keys, inner=version_files.VersionFiles.remove):
        with pytest.raises(Rejection, match="no such egg"), store.hold("a-game", imported.version):
            pass
        seen.append(keys)
        inner(files, keys)

    monkeypatch.setattr(version_files.VersionFiles, "remove", remove)
    await store.delete("a-game")
    assert len(seen) == 1


async def test_import_during_a_deletion_makes_the_egg_again(store):
    await store.put(numbered(1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.delete, "a-game")
        nursery.start_soon(store.put, numbered(2))
    assert [entry.id for entry in store] == ["a-game"]
    assert (await store.read("a-game")).egg.description == "version 2"


async def test_imports_of_one_id_at_once_are_all_kept(store, tmp_path):
    async with trio.open_nursery() as nursery:
        for number in range(8):
            nursery.start_soon(store.put, numbered(number))
    versions = store.find("a-game").versions
    assert len(versions) == 8
    found = [(await store.read("a-game", each.version)).egg.description for each in versions]
    assert sorted(found) == [f"version {number}" for number in range(8)]
    assert list(await reopened(tmp_path)) == list(store)


def no_space(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("full", ["put", "put_index"])
async def test_full_disk_changes_nothing(store, tmp_path, monkeypatch, full):
    first = await store.put(numbered(1))
    before = on_disk(tmp_path)
    monkeypatch.setattr(version_files.VersionFiles, full, no_space)
    with pytest.raises(OSError, match="No space left"):
        await store.put(numbered(2))
    with pytest.raises(OSError, match="No space left"):
        await store.put(numbered(2), "another")
    assert list(store) == [first.entry]
    assert on_disk(tmp_path) == before
    if full == "put_index":
        with pytest.raises(OSError, match="No space left"):
            await store.delete("a-game")
        assert list(store) == [first.entry]
    monkeypatch.undo()
    assert (await store.put(numbered(2))).is_new


async def test_disk_that_fills_during_a_write_leaves_no_part(store, tmp_path, monkeypatch):
    monkeypatch.setattr(version_files.os, "fsync", no_space)
    with pytest.raises(OSError, match="No space left"):
        await store.put(a_file())
    assert on_disk(tmp_path) == []


async def test_cancelled_import_changes_nothing(store, monkeypatch):
    first = await store.put(numbered(1))
    parsed = await store.parse(numbered(2))
    with trio.CancelScope() as scope:

        async def cancelled(_store, _data):
            scope.cancel()
            return parsed

        monkeypatch.setattr(eggs.EggStore, "parse", cancelled)
        await store.put(numbered(2))
    assert scope.cancelled_caught
    assert list(store) == [first.entry]


async def test_damaged_version_is_reported_and_repaired_by_an_import(store, tmp_path, caplog):
    imported = await store.put(a_file())
    path = tmp_path / version_files.FOLDER / f"a-game@{imported.version}.json"
    path.write_text(path.read_text().replace("A game", "B game"))
    again = await reopened(tmp_path)
    with pytest.raises(Rejection, match="has changed since it was imported; import it again") as refused:
        await again.read("a-game")
    assert refused.value.code == "egg_damaged"
    path.unlink()
    again = await reopened(tmp_path)
    assert f"the file of the egg a-game, version {imported.version}, is missing" in caplog.text
    with pytest.raises(Rejection, match="cannot be read: No such file"):
        await again.read("a-game")
    assert not (await again.put(a_file())).is_new
    assert (await again.read("a-game")).egg == imported.parsed.found.egg


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"eggs": [{}]}', b'{"eggs": [{"id": "../x", "versions": [1]}]}', None]
)
async def test_index_that_cannot_be_read_is_made_again(store, tmp_path, caplog, content):
    one, two = await store.put(numbered(1)), await store.put(numbered(2))
    await store.put(a_file(), "b")
    folder = tmp_path / version_files.FOLDER
    os.utime(folder / f"a-game@{one.version}.json", (1, 1))
    os.utime(folder / f"a-game@{two.version}.json", (2, 2))
    (folder / f"c@{'0' * 16}.json").write_text("{}")
    if content is None:
        (folder / "index.json").unlink()
    else:
        (folder / "index.json").write_bytes(content)
    again = await reopened(tmp_path)
    assert [entry.id for entry in again] == ["a-game", "b"]
    assert [each.version for each in again.find("a-game").versions] == [one.version, two.version]
    assert again.find("a-game").description == "version 2"
    assert f"the egg c, version {'0' * 16}, cannot be used" in caplog.text
    assert ("the index of the eggs cannot be read" in caplog.text) == (content is not None)


async def test_file_of_an_interrupted_change_is_swept_unless_it_is_used(store, tmp_path):
    kept, swept = await store.put(numbered(1)), await store.put(numbered(2))
    folder = tmp_path / version_files.FOLDER
    (folder / "index.json").write_text('{"eggs": []}')
    (folder / "index.json.part").write_text("{")
    again = await reopened(tmp_path)
    again.users = lambda egg_id: {kept.version: ["s1"]} if egg_id == "a-game" else {}
    await again.sweep()
    assert on_disk(tmp_path) == [f"a-game@{kept.version}.json", "index.json"]
    assert (await again.read("a-game", kept.version)).egg.description == "version 1"  # a container needs it
    with pytest.raises(Rejection, match="no such egg"):
        await again.read("a-game", swept.version)


async def test_few_eggs_are_kept_parsed(store, tmp_path, monkeypatch):
    one, two = await store.put(numbered(1)), await store.put(numbered(2))
    monkeypatch.setattr(eggs, "REMEMBERED", one.entry.size + 10)
    first = await store.read("a-game", one.version)
    shutil.rmtree(tmp_path / version_files.FOLDER)
    assert await store.read("a-game", one.version) is first
    with pytest.raises(Rejection, match="cannot be used"):
        await store.read("a-game", two.version)


KILLED = """
import sys, json, trio, itertools
from pathlib import Path
from lightd.eggs.store import open_egg_store
async def main():
    async with open_egg_store(Path(sys.argv[1]), lambda: 1.0) as store:
        for number in itertools.count():
            egg = {**json.loads(sys.argv[2]), "description": f"version {number}"}
            imported = await store.put(json.dumps(egg).encode())
            print(imported.version, flush=True)
            if number % 5 == 4:
                await store.delete("a-game")
                print("deleted", flush=True)
trio.run(main)
"""


async def test_kill_at_any_moment_keeps_what_was_acknowledged(tmp_path):
    for _ in range(6):
        acknowledged = []
        command = [sys.executable, "-c", KILLED, str(tmp_path), json.dumps(EGG)]
        async with trio.open_nursery() as nursery:
            process = await nursery.start(partial(trio.run_process, command, stdout=-1, check=False))
            text = b""
            async for chunk in process.stdout:
                text += chunk
                if text.count(b"\n") >= 7:
                    process.send_signal(signal.SIGKILL)
                    break
            async for chunk in process.stdout:
                text += chunk
        acknowledged = text.decode().split()
        again = await reopened(tmp_path)
        said = acknowledged[-1]
        there = [each.version for entry in again for each in entry.versions]
        if said == "deleted":
            assert len(there) <= 1  # the next import may have been finished
        elif there:
            assert said in there
        for entry in again:
            for each in entry.versions:
                assert (await again.read(entry.id, each.version)).egg.name == "A game"
        await again.sweep()
        assert len(on_disk(tmp_path)) == len(there) + 1
