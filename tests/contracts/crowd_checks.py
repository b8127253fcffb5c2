"""Folders of more names than anybody should hold: what is asked of them takes little memory, and is right."""

import os
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from lightd.files import copying, deleting, errors, listing, measuring, packing, walking
from lightd.files.jail import held, open_names
from lightd.files.paths import ROOT, parse_path
from tests.support.scene import TENANT, Scene, download, held_in, unhurried, upload

MANY = 6_000
FOLDERS = 1_000
LITTLE = 64
"""Bytes for each name: one that is held takes a hundred at least."""


@contextmanager
def little_memory(names: int) -> Iterator[None]:
    """At no moment the block holds what so many names would take."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        yield
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most - before < LITTLE * names


def fill(scene: Scene, make: Callable[[str], object], names: int) -> None:
    (scene.volume / "d").mkdir()
    for number in range(names):
        make(f"{scene.volume}/d/{number:05}")


def touch(path: str) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY))


def check_page_takes_the_memory_of_a_page(scene: Scene) -> None:
    fill(scene, touch, MANY)
    path, cursor = parse_path("d"), None
    with little_memory(MANY):
        page = listing.list_folder(scene.jail, path, 1)
        assert [entry.name for entry in page.entries] == ["00000"]
        for first in (1, 101, 201):
            page = listing.list_folder(scene.jail, path, 100, page.cursor)
            assert [entry.name for entry in page.entries] == [f"{first + n:05}" for n in range(100)]
            cursor = page.cursor
        assert cursor is not None


def check_crowded_folder_is_deleted_without_holding_its_names(scene: Scene) -> None:
    fill(scene, touch, MANY)
    with little_memory(MANY):
        deleting.delete(scene.jail, [parse_path("d")], unhurried)
    assert held_in(scene.volume) == []


def check_folder_of_many_folders_is_walked_without_holding_their_names(scene: Scene, few: int = 20) -> None:
    """With what is held at a time turned down, as a million folders would take minutes to make."""
    fill(scene, os.mkdir, FOLDERS)
    for number in range(0, FOLDERS, 100):
        (scene.volume / f"d/{number:05}/deep/deeper").mkdir(parents=True)
        (scene.volume / f"d/{number:05}/deep/f").write_text("x")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(walking, "NAMES", few)
        with little_memory(FOLDERS):
            found = sum(1 for _ in walking.walk(scene.jail.root))
            assert found == 1 + FOLDERS + 3 * FOLDERS // 100
            assert measuring.measure(scene.jail).files == found
            with held(open_names(scene.jail.root)) as folder:
                assert sum(1 for _ in walking.names_in(folder)) == 1
    deleting.delete(scene.jail, [parse_path("d")], unhurried)


def check_walk_of_more_crowded_levels_than_may_wait_finds_all(scene: Scene) -> None:
    path = scene.volume
    for _ in range(12):
        for name in "abc":
            (path / name).mkdir()
        path /= "b"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(walking, "NAMES", 2)
        patch.setattr(walking, "PAUSED", 3)
        assert sum(1 for _ in walking.walk(scene.jail.root)) == 36


def check_many_files_of_several_names_are_counted_once_and_told_apart(scene: Scene) -> None:
    (scene.volume / "d").mkdir()
    for number in range(50):
        (scene.volume / f"d/{number}").write_bytes(bytes(10_000))
        for more in range(number % 3 + 1):
            os.link(scene.volume / f"d/{number}", scene.volume / f"d/{number}-{more}")
    exact = measuring.measure(scene.jail)
    assert exact.files == 51
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measuring, "REMEMBERED", 10)
        assert measuring.measure(scene.jail) == exact
        assert download(scene.jail, parse_path("d/7")) == bytes(10_000)
        with pytest.raises(errors.NotAllowed, match="more than 10 files with several names"):
            copying.copy(scene.jail, parse_path("d"), parse_path("copy"), TENANT, unhurried)
        with pytest.raises(errors.NotAllowed, match="more than 10 files with several names"):
            packing.compress(scene.jail, [ROOT], parse_path("a"), "tar", TENANT, unhurried)
        upload(scene.jail, parse_path("d/7"), b"new")
    assert held_in(scene.volume) == ["d"]
