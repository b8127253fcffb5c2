"""What packing and unpacking promise: the same tree again, and nothing anywhere else whatever is unpacked."""

import bz2
import gzip
import io
import lzma
import os
import re
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable

import pytest

from lightd.files import archives, errors, packing, unpacking, zips
from lightd.files.archives import Ceilings
from lightd.files.paths import ROOT, RelativePath, parse_path
from tests.support.scene import SECRET, TENANT, Scene, held_in, unhurried, wipe

ARCHIVE = parse_path("the.archive")


def compress(scene: Scene, kind: archives.Kind, sources: list[RelativePath]) -> int:
    return packing.compress(scene.jail, sources, ARCHIVE, kind, TENANT, unhurried)


def extract(scene: Scene, destination: RelativePath, **ceilings: int) -> int:
    return unpacking.extract(scene.jail, ARCHIVE, destination, TENANT, unhurried, Ceilings(**ceilings))


def plant_tar(scene: Scene, *entries: tuple[str, bytes, bytes | str], mode: int = 0o644) -> None:
    """A tar whose ``entries`` are a name, a type, and contents or a link's target."""
    with tarfile.open(scene.volume / "the.archive", "w") as tar:
        for name, kind, rest in entries:
            info = tarfile.TarInfo(name)
            info.type, info.mode = kind, mode
            if isinstance(rest, str):
                info.linkname = rest
                tar.addfile(info)
            else:
                info.size = len(rest)
                tar.addfile(info, io.BytesIO(rest))


def plant_zip(scene: Scene, *entries: tuple[str, bytes, int]) -> None:
    """A zip whose ``entries`` are a name, contents and a Unix mode."""
    with zipfile.ZipFile(scene.volume / "the.archive", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, mode in entries:
            info = zipfile.ZipInfo(name)
            info.create_system, info.external_attr = 3, mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)


def check_tree_comes_back_from_every_kind_of_archive(scene: Scene) -> None:
    tree = scene.volume / "tree"
    (tree / "sub/empty").mkdir(parents=True)
    (tree / "sub/run").write_bytes(os.urandom(3_000_000))
    (tree / "sub/run").chmod(0o4755)
    (tree / "line\nbreak ü").write_text("odd")
    (tree / "link").symlink_to("sub/run")
    (tree / "out").symlink_to("/etc")
    os.mkfifo(tree / "fifo")
    for kind in archives.kinds():
        size = compress(scene, kind, [parse_path("tree")])
        assert size == (scene.volume / "the.archive").stat().st_size > 3_000_000
        assert extract(scene, RelativePath(("back", kind))) == 0
        back = scene.volume / "back" / kind / "tree"
        assert held_in(back) == ["line\nbreak ü", "link", "out", "sub"]
        assert (back / "sub/run").read_bytes() == (tree / "sub/run").read_bytes()
        assert (back / "link").readlink() == (tree / "link").readlink()
        assert str((back / "out").readlink()) == "/etc"
        assert stat.S_IMODE((back / "sub/run").stat().st_mode) == 0o755
        assert (back / "sub/run").stat().st_mtime_ns == (tree / "sub/run").stat().st_mtime_ns
        assert (back / "sub/empty").is_dir()
        assert {path.lstat().st_uid for path in (back, back / "link", back / "sub/run")} == {TENANT.uid}


def check_archive_of_everything_does_not_hold_itself_or_what_lies_outside(scene: Scene) -> None:
    (scene.volume / "file").write_text("x")
    os.link(scene.outside / "canary.txt", scene.volume / "hard")
    (scene.volume / "link").symlink_to(scene.outside / "canary.txt")
    for kind in archives.kinds():
        for _ in range(2):
            compress(scene, kind, [ROOT])
        extract(scene, parse_path("back"))
        assert held_in(scene.volume / "back") == ["file", "link"]
        assert (scene.volume / "back/link").readlink() == scene.outside / "canary.txt"
        shutil.rmtree(scene.volume / "back")
        assert SECRET.encode() not in (scene.volume / "the.archive").read_bytes()


def check_name_that_leads_out_refuses_the_whole_archive(scene: Scene) -> None:
    plants: list[Callable[[str], None]] = [
        lambda name: plant_tar(scene, ("good", tarfile.REGTYPE, b"x"), (name, tarfile.REGTYPE, b"x")),
        lambda name: plant_tar(scene, ("good", tarfile.REGTYPE, b"x"), (name, tarfile.DIRTYPE, b"")),
        lambda name: plant_tar(scene, ("good", tarfile.REGTYPE, b"x"), ("l", tarfile.LNKTYPE, name)),
        lambda name: plant_zip(scene, ("good", b"x", 0o644), (name, b"x", 0o644)),
    ]
    for name in (
        "../outside/new",
        "a/../../outside/new",
        "/etc/new",
        str(scene.outside / "new"),
        "..",
        "C:\\new",
    ):
        for plant in plants:
            plant(name)
            with pytest.raises((errors.InvalidPath, errors.InvalidArchive)):
                extract(scene, parse_path("back"))
            assert held_in(scene.volume) == ["the.archive"]


def check_extraction_writes_nothing_through_a_link_in_the_archive(scene: Scene) -> None:
    file, link, hard = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
    for target in (str(scene.outside), "../outside", "inside"):
        for entries in (
            [("l", link, target), ("l/new", file, b"x")],
            [("l", link, target), ("l", file, b"x")],
            [("l", file, b"x"), ("l", link, target)],
            [("l", link, target), ("l", tarfile.DIRTYPE, b""), ("l/new", file, b"x")],
            [("l", link, target), ("h", hard, "l")],
            [("l", link, target), ("h", hard, "l/canary.txt")],
            [("l", link, target), ("l2", link, "l/nest"), ("l2/egg.txt", file, b"x")],
        ):
            plant_tar(scene, *entries)
            for _ in range(2):
                try:
                    extract(scene, ROOT)
                except errors.FileRefused:
                    assert held_in(scene.volume) == ["the.archive"]
            wipe(scene.volume)
            (scene.volume / "honest.txt").unlink()


def check_links_are_made_only_where_they_stay(scene: Scene) -> None:
    link = tarfile.SYMTYPE
    stays = [("a/b/x", "../../c"), ("a/y", "b/c"), ("a/z", ".."), ("w", "not-there"), ("v", "./a//b")]
    stays += [("s", "/home/container/linux64"), ("t", "/home/container")]
    leaves = [("a/1", "../.."), ("2", ".."), ("3", "/etc"), ("4", "a/z/.."), ("5", "a/../.."), ("6", "../x")]
    leaves += [("7", "/home/container/../etc"), ("8", "/home/containers"), ("9", "/home")]
    plant_tar(scene, *((name, link, target) for name, target in stays + leaves))
    assert extract(scene, parse_path("back")) == len(leaves)
    made = [path for path in (scene.volume / "back").rglob("*") if path.is_symlink()]
    assert len(made) == len(stays)


def check_devices_and_fifos_are_left_out_and_set_id_bits_dropped(scene: Scene) -> None:
    plant_tar(
        scene,
        ("fifo", tarfile.FIFOTYPE, b""),
        ("char", tarfile.CHRTYPE, b""),
        ("block", tarfile.BLKTYPE, b""),
        ("odd", b"Z", b""),
        ("run", tarfile.REGTYPE, b"#!"),
        ("dir", tarfile.DIRTYPE, b""),
        mode=0o7755,
    )
    assert extract(scene, parse_path("back")) == 4
    back = scene.volume / "back"
    assert held_in(back) == ["dir", "run"]
    assert {stat.S_IMODE((back / name).stat().st_mode) for name in held_in(back)} == {0o755}


def check_later_of_two_files_of_one_name_stays(scene: Scene) -> None:
    plant_tar(
        scene, ("f", tarfile.REGTYPE, b"1"), ("./f", tarfile.REGTYPE, b"2"), ("F", tarfile.REGTYPE, b"3")
    )
    extract(scene, ROOT)
    assert (scene.volume / "f").read_text() == "2"
    assert (scene.volume / "F").read_text() == "3"


def check_hard_links_are_to_files_of_the_same_archive(scene: Scene) -> None:
    plant_tar(scene, ("f", tarfile.REGTYPE, b"1"), ("d/h", tarfile.LNKTYPE, "f"))
    extract(scene, parse_path("back"))
    assert (scene.volume / "back/d/h").samefile(scene.volume / "back/f")
    (scene.volume / "secret").write_text("the tenant's, not the archive's")
    plant_tar(scene, ("h", tarfile.LNKTYPE, "secret"))
    with pytest.raises(errors.InvalidArchive):
        extract(scene, ROOT)


def check_ceiling_refuses_and_leaves_nothing(scene: Scene) -> None:
    (scene.volume / "kept").write_text("kept")
    bomb = ("bomb", bytes(10_000_000), 0o644)
    for plant, ceilings in (
        (lambda: plant_zip(scene, *((f"{n}", b"", 0o644) for n in range(11))), {"entries": 10}),
        (lambda: plant_tar(scene, *((f"{n}", tarfile.REGTYPE, b"") for n in range(11))), {"entries": 10}),
        (lambda: plant_zip(scene, ("kept", b"new", 0o644), bomb), {"bytes": 9_999_999}),
        (lambda: plant_zip(scene, ("kept", b"new", 0o644), bomb), {"ratio": 100, "ratio_from": 1_000_000}),
        (lambda: plant_zip(scene, ("d/" * 11 + "f", b"", 0o644)), {"depth": 10}),
    ):
        plant()
        with pytest.raises(errors.InvalidArchive, match="more than"):
            extract(scene, ROOT, **ceilings)
        assert held_in(scene.volume) == ["kept", "the.archive"]
        assert (scene.volume / "kept").read_text() == "kept"


def check_damaged_archive_is_refused_and_leaves_nothing(scene: Scene) -> None:
    (scene.volume / "tree").mkdir()
    (scene.volume / "tree/a").write_bytes(os.urandom(200_000))
    (scene.volume / "tree/b").write_bytes(bytes(200_000))
    archive = scene.volume / "the.archive"
    for kind in archives.kinds():
        compress(scene, kind, [parse_path("tree")])
        whole = archive.read_bytes()
        for cut in (0, 1, 3, 10, 100, len(whole) // 2, len(whole) * 2 // 3):
            archive.write_bytes(whole[:cut])
            with pytest.raises(errors.InvalidArchive):
                extract(scene, parse_path("back"))
            assert held_in(scene.volume) == ["the.archive", "tree"]


def check_unpacking_merges_folders_replaces_files_and_stops_before_it_mixes_kinds(scene: Scene) -> None:
    (scene.volume / "d").mkdir()
    (scene.volume / "d/old").write_text("old")
    (scene.volume / "d/both").write_text("old")
    (scene.volume / "f").write_text("file")
    (scene.volume / "l").symlink_to("d")
    plant_tar(scene, ("d/both", tarfile.REGTYPE, b"new"), ("d/new", tarfile.REGTYPE, b"new"))
    extract(scene, ROOT)
    assert [(scene.volume / "d" / name).read_text() for name in ("old", "both", "new")] == [
        "old",
        "new",
        "new",
    ]
    for name in ("f/below", "l/below"):
        plant_tar(scene, ("d/both", tarfile.REGTYPE, b"newer"), (name, tarfile.REGTYPE, b"x"))
        with pytest.raises(errors.WrongKind):
            extract(scene, ROOT)
    plant_tar(
        scene,
        ("d/both", tarfile.REGTYPE, b"newer"),
        ("l", tarfile.REGTYPE, b"x"),
        ("d", tarfile.DIRTYPE, b""),
    )
    extract(scene, ROOT)
    assert not (scene.volume / "l").is_symlink()
    assert (scene.volume / "d/both").read_text() == "newer"


def plant_windows_zip(scene: Scene, *entries: tuple[bytes, bytes, int, bytes], system: int = 0) -> None:
    """A zip whose ``entries`` are a raw name without a flag, contents, attributes, and extra fields."""
    with zipfile.ZipFile(scene.volume / "the.archive", "w") as archive:
        for name, content, attributes, extra in entries:
            info = zips.OwnInfo(os.fsdecode(name))
            info.create_system, info.external_attr, info.extra = system, attributes, extra
            archive.writestr(info, content)
    raw = (scene.volume / "the.archive").read_bytes()
    for at in [found.start() for found in re.finditer(b"PK\x01\x02", raw)]:
        raw = raw[: at + 8] + b"\0\0" + raw[at + 10 :]
    for at in [found.start() for found in re.finditer(b"PK\x03\x04", raw)]:
        raw = raw[: at + 6] + b"\0\0" + raw[at + 8 :]
    (scene.volume / "the.archive").write_bytes(raw)


def unicode_path(raw: bytes, name: str) -> bytes:
    data = struct.pack("<BL", 1, zlib.crc32(raw)) + name.encode()
    return struct.pack("<HH", 0x7075, len(data)) + data


def check_names_in_a_zip_are_those_that_the_archiver_meant(scene: Scene) -> None:
    gbk = "\u4e2d\u6587.txt".encode("gbk")
    plant_windows_zip(
        scene,
        (b"caf\xc3\xa9.txt", b"UTF-8 without the flag", 0, b""),
        (b"caf\x82.txt", b"code page 437", 0, b""),
        (gbk, b"field 0x7075", 0, unicode_path(gbk, "\u4e2d\u6587.txt")),
        (b"old", b"field 0x7075 for another name", 0, unicode_path(b"older", "wrong")),
        system=3,
    )
    extract(scene, parse_path("back"))
    back = scene.volume / "back"
    assert held_in(back) == ["caf\xe9.txt", "old", "\u4e2d\u6587.txt"]
    assert (back / "caf\xe9.txt").read_text() == "code page 437"  # the later one of two with one name


def check_folders_of_windows_are_folders_and_a_backslash_of_unix_is_a_character(scene: Scene) -> None:
    entries = (
        (b"world\\", b"", 0x10, b""),
        (b"world\\region\\r.mca", b"x", 0x20, b""),
        (b"empty", b"", 0x10, b""),
        (b"plain", b"", 0x20, b""),
    )
    plant_windows_zip(scene, *entries)
    extract(scene, parse_path("back"))
    back = scene.volume / "back"
    assert held_in(back) == ["empty", "plain", "world"]
    assert (back / "empty").is_dir()
    assert (back / "plain").is_file()
    assert (back / "world/region/r.mca").read_text() == "x"
    plant_windows_zip(
        scene, (b"a\\b", b"1", 0o100644 << 16, b""), (b"..\\x", b"2", 0o100644 << 16, b""), system=3
    )
    extract(scene, parse_path("unix"))
    assert held_in(scene.volume / "unix") == ["..\\x", "a\\b"]


def check_compressed_file_becomes_a_file(scene: Scene) -> None:
    for ending, packed in (
        ("gz", gzip.compress(b"content")),
        ("xz", lzma.compress(b"content")),
        ("bz2", bz2.compress(b"content")),
        ("gz", gzip.compress(b"con") + gzip.compress(b"tent")),
    ):
        archive = scene.volume / f"server.log.{ending}"
        archive.write_bytes(packed)
        archive.chmod(0o640)
        os.utime(archive, (1e9, 1e9))
        path = parse_path(archive.name)
        unpacking.extract(scene.jail, path, parse_path("back"), TENANT, unhurried)
        made = scene.volume / "back/server.log"
        assert made.read_bytes() == b"content"
        assert (made.stat().st_mode & 0o777, made.stat().st_mtime) == (0o640, 1e9)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz") as tar:
        tar.addfile(tarfile.TarInfo("f"))
    (scene.volume / "the.archive").write_bytes(buffer.getvalue())
    extract(scene, parse_path("xz"))
    assert held_in(scene.volume / "xz") == ["f"]


def check_encrypted_and_unknown_formats_are_named_in_the_error(scene: Scene) -> None:
    def refuse(content: bytes, said: str) -> None:
        (scene.volume / "the.archive").write_bytes(content)
        with pytest.raises(errors.InvalidArchive, match=said):
            extract(scene, parse_path("back"))
        assert held_in(scene.volume) == ["the.archive"]

    plant_zip(scene, ("f", b"x", 0o100644))
    whole = (scene.volume / "the.archive").read_bytes()
    refuse(b"7z\xbc\xaf\x27\x1c" + bytes(100), "in the format 7z; supported are zip, tar")
    refuse(b"Rar!\x1a\x07\x01\0" + bytes(100), "in the format RAR")
    at = whole.index(b"PK\x01\x02")
    refuse(whole[: at + 8] + b"\1" + whole[at + 9 :], '"f" in the archive is encrypted')
    refuse(whole[: at + 10] + b"\x09" + whole[at + 11 :], '"f" in the archive is compressed with Deflate64')
    end = whole.index(b"PK\x05\x06")
    refuse(whole[: end + 4] + b"\2" + whole[end + 5 :], "part of a split zip")
    (scene.volume / "the.archive").write_bytes(b"#!/bin/sh\nexit\n" + whole)  # it extracts itself
    extract(scene, parse_path("back"))
    assert held_in(scene.volume / "back") == ["f"]
