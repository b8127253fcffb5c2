"""What the operations on files promise, whichever resolver the jail has."""

import os
import stat
from contextlib import suppress
from pathlib import Path

import pytest

from lightd.files import copying, deleting, errors, listing, measuring, operations
from lightd.files.jail import Owner
from lightd.files.paths import ROOT, RelativePath, parse_path
from lightd.files.placing import replacing
from tests.rig import engine
from tests.support.scene import TENANT, Scene, download, held_in, unhurried


class GivenUp(Exception):  # noqa: N818 - the client's doing, not an error
    """The client went away."""


def giving_up_at(calls: int):
    """A pace that raises at its ``calls``-th call."""
    left = iter(range(calls - 1))

    def pace(_: int) -> None:
        if next(left, None) is None:
            raise GivenUp

    return pace


def names(scene: Scene, path: RelativePath = ROOT) -> list[str]:
    return [entry.name for entry in listing.list_folder(scene.jail, path).entries]


def copy(scene: Scene, source: str, destination: str, pace=unhurried) -> None:
    copying.copy(scene.jail, parse_path(source), parse_path(destination), TENANT, pace)


def dig(folder: Path, levels: int) -> None:
    """A tree so deep that no path reaches its end."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("below", dir_fd=here)
        there = os.open("below", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = there
    os.close(os.open("end.txt", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)


# ---------------------------------------------------------------- writing


def check_written_file_belongs_to_the_tenant_with_the_folders_made_for_it(scene: Scene) -> None:
    operations.write_file(scene.jail, parse_path("a/b/c.txt"), b"content", TENANT)
    file = scene.volume / "a/b/c.txt"
    assert file.read_bytes() == b"content"
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o755
    for path in (file, file.parent, file.parent.parent):
        assert (path.stat().st_uid, path.stat().st_gid) == (TENANT.uid, TENANT.gid)


def check_rewritten_file_keeps_its_permissions_and_loses_its_set_id_bits(scene: Scene) -> None:
    script = scene.volume / "run.sh"
    script.write_text("old")
    script.chmod(0o6750)
    operations.write_file(scene.jail, parse_path("run.sh"), b"new", TENANT)
    assert stat.S_IMODE(script.stat().st_mode) == 0o750


def check_reader_of_the_old_file_goes_on_reading_it(scene: Scene) -> None:
    (scene.volume / "f").write_text("old")
    with (scene.volume / "f").open() as reader:
        operations.write_file(scene.jail, parse_path("f"), b"new", TENANT)
        assert reader.read() == "old"


def check_write_that_fails_leaves_the_old_file_and_no_part(scene: Scene) -> None:
    (scene.volume / "f").write_text("old")
    with suppress(GivenUp), replacing(scene.jail, parse_path("f"), TENANT) as part:
        os.write(part, b"half")
        assert len(held_in(scene.volume)) == 2
        assert names(scene) == ["f"]  # a part isn't shown
        raise GivenUp
    assert held_in(scene.volume) == ["f"]
    assert (scene.volume / "f").read_text() == "old"


def check_folder_is_made_once_and_again(scene: Scene) -> None:
    for _ in range(2):
        operations.make_folder(scene.jail, parse_path("x/y/z"), TENANT)
    assert (scene.volume / "x/y/z").is_dir()
    (scene.volume / "file").write_text("")
    for path in ("file", "file/below"):
        with pytest.raises(errors.Exists, match=f'"{path}" exists already'):
            operations.make_folder(scene.jail, parse_path(path), TENANT)
    with pytest.raises(errors.WrongKind, match='"x" is a folder'):
        operations.write_file(scene.jail, parse_path("x"), b"", TENANT)


def check_two_thousand_folders_are_made_on_the_way(scene: Scene) -> None:
    path = parse_path("n/" * 2047 + "n")
    operations.write_file(scene.jail, path, b"deep", TENANT)
    assert download(scene.jail, path) == b"deep"


def check_names_may_hold_anything_but_a_separator(scene: Scene) -> None:
    for name in ("line\nbreak", "tab\t", "\x1b[31mred", "ü雪", "-rf", "~", "*", "n" * 255, "a\\b", " "):
        operations.write_file(scene.jail, parse_path(name), name.encode(), TENANT)
        assert (scene.volume / name).read_bytes() == name.encode()
        assert download(scene.jail, parse_path(name)) == name.encode()


# ---------------------------------------------------------------- listing


def check_listing_says_what_is_there_folders_first(scene: Scene) -> None:
    (scene.volume / "b.txt").write_text("1234")
    (scene.volume / "b.txt").chmod(0o600)
    os.utime(scene.volume / "b.txt", (1, 1_700_000_000.9))
    (scene.volume / "a.link").symlink_to("dir")
    (scene.volume / "dir").mkdir(mode=0o700)
    Path(os.fsdecode(os.fsencode(scene.volume) + b"/caf\xe9")).write_text("")
    shown = listing.list_folder(scene.jail, ROOT)
    assert [(entry.name, entry.type) for entry in shown.entries] == [
        ("dir", "directory"),
        ("a.link", "symlink"),
        ("b.txt", "file"),
        ("caf\uf0e9", "file"),
    ]
    assert shown.entries[2] == listing.Entry("b.txt", "file", 4, 1_700_000_000, "0600")
    assert shown.cursor is None


def check_pages_hold_every_entry_once_whatever_comes_and_goes_between_them(scene: Scene) -> None:
    for number in range(25):
        (scene.volume / f"file{number:02}").write_text("")
    for number in range(5):
        (scene.volume / f"folder{number}").mkdir()
    everything = names(scene)
    found, cursor = [], None
    while True:
        page = listing.list_folder(scene.jail, ROOT, 7, cursor)
        found += [entry.name for entry in page.entries]
        if (cursor := page.cursor) is None:
            break
        (scene.volume / "early").mkdir(exist_ok=True)
        if (scene.volume / found[0]).exists():
            (scene.volume / found[0]).rmdir()
    assert found == everything


def check_cursor_of_the_clients_own_making_is_refused(scene: Scene) -> None:
    for cursor in ("", "x", "ü", "AAAA", "!!"):
        with pytest.raises(errors.InvalidCursor):
            listing.list_folder(scene.jail, ROOT, 10, cursor)


# ---------------------------------------------------------------- copying and moving


def check_tree_is_copied_whole_with_its_links_as_links(scene: Scene) -> None:
    (scene.volume / "tree/sub").mkdir(parents=True)
    (scene.volume / "tree/sub/run").write_text("#!")
    (scene.volume / "tree/sub/run").chmod(0o4755)
    (scene.volume / "tree/out").symlink_to("/etc/passwd")
    os.mkfifo(scene.volume / "tree/fifo")
    copy(scene, "tree", "made/copy")
    copied = scene.volume / "made/copy"
    assert held_in(copied) == ["out", "sub"]
    assert str((copied / "out").readlink()) == "/etc/passwd"
    assert (copied / "sub/run").read_text() == "#!"
    assert stat.S_IMODE((copied / "sub/run").stat().st_mode) == 0o755
    for path in (copied, copied / "out", copied / "sub", copied / "sub/run"):
        assert path.lstat().st_uid == TENANT.uid


def check_copy_replaces_and_merges_nothing(scene: Scene) -> None:
    (scene.volume / "tree/sub").mkdir(parents=True)
    (scene.volume / "file").write_text("kept")
    for source, destination in (("file", "file"), ("file", "tree"), ("tree", "file"), ("tree", "tree")):
        with pytest.raises(errors.Exists, match=f'"{destination}" exists already'):
            copy(scene, source, destination)
    assert (scene.volume / "file").read_text() == "kept"


def check_folder_is_not_copied_or_moved_into_itself(scene: Scene) -> None:
    (scene.volume / "tree/sub").mkdir(parents=True)
    (scene.volume / "alias").symlink_to("tree/sub")
    for destination in ("tree/new", "tree/sub/new", "alias/new"):
        with pytest.raises(errors.WrongKind, match="into itself"):
            copy(scene, "tree", destination)
        with pytest.raises(errors.WrongKind, match="into itself"):
            operations.rename(scene.jail, parse_path("tree"), parse_path(destination), TENANT)
    assert held_in(scene.volume / "tree/sub") == []
    assert held_in(scene.volume / "tree") == ["sub"]


def check_holes_stay_holes(scene: Scene) -> None:
    with (scene.volume / "sparse").open("wb") as file:
        file.seek(1 << 40)
        file.write(b"end")
        file.truncate((1 << 40) + (1 << 20))
    copy(scene, "sparse", "copy")
    copied = (scene.volume / "copy").stat()
    assert copied.st_size == (1 << 40) + (1 << 20)
    assert copied.st_blocks * 512 < 1 << 20
    with (scene.volume / "copy").open("rb") as file:
        file.seek(1 << 40)
        assert file.read(4) == b"end\0"


def check_copy_that_is_given_up_leaves_nothing(scene: Scene) -> None:
    (scene.volume / "tree").mkdir()
    for number in range(10):
        (scene.volume / f"tree/{number}").write_text("x")
    for calls in (1, 5, 15):
        with pytest.raises(GivenUp):
            copy(scene, "tree", "copy", giving_up_at(calls))
        assert held_in(scene.volume) == ["tree"]


def check_move_replaces_nothing_and_makes_folders(scene: Scene) -> None:
    (scene.volume / "file").write_text("moved")
    (scene.volume / "taken").write_text("kept")
    rename = operations.rename
    for destination in ("taken", "file"):
        with pytest.raises(errors.Exists):
            rename(scene.jail, parse_path("file"), parse_path(destination), TENANT)
    with pytest.raises(errors.NotFound, match='"none"'):
        rename(scene.jail, parse_path("none"), parse_path("new/file"), TENANT)
    assert not (scene.volume / "new").exists()
    rename(scene.jail, parse_path("file"), parse_path("new/name"), TENANT)
    assert (scene.volume / "new/name").read_text() == "moved"
    assert (scene.volume / "taken").read_text() == "kept"


# ---------------------------------------------------------------- deleting, owning, measuring


def check_link_is_deleted_and_what_it_leads_to_stays(scene: Scene) -> None:
    (scene.volume / "tree/sub").mkdir(parents=True)
    (scene.volume / "tree/in").symlink_to("../kept")
    (scene.volume / "kept").mkdir()
    (scene.volume / "kept/file").write_text("kept")
    (scene.volume / "link").symlink_to("kept")
    deleting.delete(scene.jail, [parse_path("link"), parse_path("tree"), parse_path("tree/sub")], unhurried)
    assert names(scene) == ["kept"]
    assert (scene.volume / "kept/file").read_text() == "kept"


def check_deletion_of_several_paths_does_nothing_where_one_is_missing(scene: Scene) -> None:
    (scene.volume / "file").write_text("")
    with pytest.raises(errors.NotFound, match='"missing"'):
        deleting.delete(scene.jail, [parse_path("file"), parse_path("missing")], unhurried)
    assert names(scene) == ["file"]


def check_no_depth_stops_deleting_measuring_or_owning(scene: Scene) -> None:
    (scene.volume / "tree").mkdir()
    dig(scene.volume / "tree", 1500)
    assert measuring.measure(scene.jail).files == 1502
    operations.give_all(scene.jail, TENANT)
    with pytest.raises(errors.TooDeep):
        copy(scene, "tree", "copy")
    deleting.delete(scene.jail, [parse_path("tree")], unhurried)
    assert held_in(scene.volume) == []


def check_usage_counts_blocks_and_every_inode_once(scene: Scene) -> None:
    (scene.volume / "a").write_bytes(b"x" * 100_000)
    os.link(scene.volume / "a", scene.volume / "b")
    usage = measuring.measure(scene.jail)
    assert usage == measuring.Usage((scene.volume / "a").stat().st_blocks * 512, 1)


def check_mode_has_no_set_id_bits(scene: Scene) -> None:
    (scene.volume / "file").write_text("")
    operations.change_mode(scene.jail, parse_path("file"), operations.parse_mode("0751"))
    assert stat.S_IMODE((scene.volume / "file").stat().st_mode) == 0o751
    for text in ("4755", "02755", "1777", "888", "", "77", "-77", "rwx", "0o755", "\u0667\u0665\u0665"):
        with pytest.raises(errors.InvalidMode):
            operations.parse_mode(text)


def check_all_of_a_volume_is_given_to_its_user_and_no_link_is_followed(scene: Scene) -> None:
    engine.require_root()
    (scene.volume / "d").mkdir()
    (scene.volume / "d/f").write_text("")
    (scene.volume / "link").symlink_to(scene.outside / "canary.txt")
    os.link(scene.outside / "canary.txt", scene.volume / "hard")
    operations.give_all(scene.jail, Owner(4711, 4712))
    for path in (scene.volume, scene.volume / "d", scene.volume / "d/f", scene.volume / "link"):
        assert (path.lstat().st_uid, path.lstat().st_gid) == (4711, 4712)
