"""Hostile archives, each class of attack in every container that can carry it, made from nothing.

``craft`` gives well over two hundred. Each has ``reaches``: what lies outside and must not be touched is
named in it, by an absolute path or by climbing.
"""

import bz2
import functools
import gzip
import io
import itertools
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs

FILE, DIR, LINK, HARD = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
PAYLOAD = b"planted"


@attrs.frozen
class Crafted:
    """An archive: which attack it is, what it is packed in, and its bytes."""

    attack: str
    kind: str
    content: bytes


@attrs.frozen
class Entry:
    """One entry of a tar; ``pax`` are records that overrule its header."""

    name: str
    type: bytes = FILE
    target: str = ""
    content: bytes = b""
    mode: int = 0o644
    pax: dict[str, str] = attrs.field(factory=dict)


def tar(*entries: Entry, form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form, errors="surrogateescape") as archive:
        for entry in entries:
            info = tarfile.TarInfo(entry.name)
            info.type, info.mode, info.linkname = entry.type, entry.mode, entry.target
            info.size, info.pax_headers = len(entry.content), entry.pax
            info.devmajor, info.devminor = 1, 5
            archive.addfile(info, io.BytesIO(entry.content))
    return out.getvalue()


def raw_header(
    name: bytes, kind: bytes = FILE, target: bytes = b"", size: int = 0, mode: bytes = b"0000644"
) -> bytes:
    """A header that no library would write, with a checksum that every one accepts."""
    head = bytearray(512)
    head[0:100] = name[:100].ljust(100, b"\0")
    head[100:108] = mode.ljust(8, b"\0")
    head[108:124] = b"0000000\0" * 2
    head[124:136] = b"%011o\0" % size
    head[136:148] = b"00000000000\0"
    head[148:156] = b" " * 8
    head[156:157] = kind
    head[157:257] = target[:100].ljust(100, b"\0")
    head[257:265] = b"ustar\x0000"
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head)


def zipped(*entries: tuple[str, bytes, int], system: int = 3) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, mode in entries:
            info = zipfile.ZipInfo("placeholder")
            info.filename, info.create_system, info.external_attr = name, system, mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return out.getvalue()


# ---------------------------------------------------------------- attacks


def escaping(outside: Path) -> dict[str, str]:
    """Names that lead out, and ways to write them."""
    return {
        "climbing": "../outside/planted",
        "climbing late": "a/b/../../../outside/planted",
        "climbing far": "../" * 40 + str(outside).lstrip("/") + "/planted",
        "absolute": f"{outside}/planted",
        "absolute twice": f"//{outside}/planted",
        "dots alone": "..",
        "dots at the end": "a/..",
        "dots behind a dot": "./../outside/planted",
        "backslashes": "..\\outside\\planted",
        "backslashes inside": "a\\..\\..\\outside\\planted",
        "drive": "C:\\outside\\planted",
        "drive with a slash": "c:/outside/planted",
        "share": "\\\\host\\share\\planted",
        "over the canary": "../outside/canary.txt",
    }


def _names(outside: Path) -> Iterator[tuple[str, str, bytes]]:
    good = Entry("good", content=b"good")
    for how, name in escaping(outside).items():
        yield f"name: {how}", "zip", zipped(("good", b"good", 0o100644), (name, PAYLOAD, 0o100644))
        yield f"name of a folder: {how}", "zip", zipped((f"{name}/", b"", 0o040755))
        yield f"name of a link: {how}", "zip", zipped((name, b"canary.txt", 0o120777))
        for type_ in (FILE, DIR, LINK, HARD, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.CONTTYPE):
            entry = Entry(name, type_, "good", PAYLOAD if type_ == FILE else b"")
            yield f"name of a {type_!r}: {how}", "tar", tar(good, entry)
        yield (
            f"name in a pax record: {how}",
            "tar",
            tar(Entry("harmless", content=PAYLOAD, pax={"path": name})),
        )
        yield f"name in a GNU header: {how}", "tar", tar(Entry("l/" * 60 + name), form=tarfile.GNU_FORMAT)
        yield f"hard link to: {how}", "tar", tar(good, Entry("h", HARD, name))
        yield (
            f"hard link in a pax record to: {how}",
            "tar",
            tar(good, Entry("h", HARD, "good", pax={"linkpath": name})),
        )


def _links(outside: Path) -> Iterator[tuple[str, str, bytes]]:
    targets = {
        "absolute": str(outside),
        "climbing": "../outside",
        "climbing from below": "a/../../outside",
        "root": "/",
        "itself": ".",
        "its own name": "l",
        "magic": "/proc/self/root",
        "magic descriptor": "/proc/self/fd/0",
        "nothing": "not-there",
        "empty": "",
    }
    for how, target in targets.items():
        link = Entry("l", LINK, target)
        for what, more in {
            "alone": (),
            "then written through": (Entry("l/planted", content=PAYLOAD),),
            "then replaced by a file": (Entry("l", content=PAYLOAD),),
            "then replaced by a folder": (Entry("l", DIR), Entry("l/planted", content=PAYLOAD)),
            "then a link through it": (Entry("m", LINK, "l/nest"), Entry("m/egg.txt", content=PAYLOAD)),
            "then hard-linked": (Entry("h", HARD, "l"), Entry("h", content=PAYLOAD)),
            "then hard-linked through": (Entry("h", HARD, "l/canary.txt"), Entry("h", content=PAYLOAD)),
            "then a folder made through it": (Entry("l/nest/new", DIR),),
            "then its mode changed": (Entry("l", DIR, mode=0o777),),
        }.items():
            yield f"link to {how}, {what}", "tar", tar(link, *more)
        yield (
            f"link to {how}",
            "zip",
            zipped(("l", target.encode(), 0o120777), ("l/planted", PAYLOAD, 0o100644)),
        )
        yield (
            f"link to {how} by another case",
            "tar",
            tar(link, Entry("L/planted", content=PAYLOAD), Entry("L", LINK, target)),
        )


def _kinds(_outside: Path) -> Iterator[tuple[str, str, bytes]]:
    for mode in (0o4755, 0o2755, 0o6777, 0o1777, 0o7777):
        yield f"mode {mode:o}", "tar", tar(Entry("run", content=b"#!", mode=mode), Entry("d", DIR, mode=mode))
        yield f"mode {mode:o}", "zip", zipped(("run", b"#!", 0o100000 | mode), ("d/", b"", 0o040000 | mode))
    for type_ in (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"V", b"M", b"Z", b"\xff"):
        yield f"special {type_!r}", "tar", tar(Entry("s", type_), Entry("s/below", content=PAYLOAD))
    for kind in (0o020000, 0o060000, 0o010000, 0o140000):
        yield f"special {kind:o}", "zip", zipped(("s", b"", kind | 0o666), ("s/below", PAYLOAD, 0o100644))
    yield "twice", "tar", tar(Entry("f", content=b"1"), Entry("./f", content=b"2"), Entry("F", content=b"3"))
    yield "twice", "zip", zipped(("f", b"1", 0o100644), ("F", b"2", 0o100644), ("f/", b"", 0o040755))
    yield "file in a file", "tar", tar(Entry("f", content=b"1"), Entry("f/g", content=b"2"))
    yield "file over a folder", "tar", tar(Entry("d/f", content=b"1"), Entry("d", content=b"2"))
    yield "a thousand levels", "tar", tar(Entry("d/" * 1000 + "f"))
    yield "a thousand levels", "zip", zipped(("d/" * 1000 + "f", b"", 0o100644))
    yield "a long name", "tar", tar(Entry("n" * 300))
    yield "no name", "tar", tar(Entry("", content=PAYLOAD))
    yield "no name", "zip", zipped(("", PAYLOAD, 0o100644))
    yield "a part's name", "tar", tar(Entry(".lightd-0123456789abcdef.part", content=PAYLOAD))
    yield "no UTF-8", "tar", tar(Entry("caf\udce9", content=b"1"), form=tarfile.GNU_FORMAT)
    yield "hard link to itself", "tar", tar(Entry("h", HARD, "h"))
    yield "hard link to all", "tar", tar(Entry("h", HARD, "."), Entry("i", HARD, ""))
    yield "hard link ahead", "tar", tar(Entry("h", HARD, "f"), Entry("f", content=b"1"))
    yield "hard link to what was there", "tar", tar(Entry("h", HARD, "the.archive"))
    yield "hard link to a folder", "tar", tar(Entry("d", DIR), Entry("h", HARD, "d"))


def _bombs(_outside: Path) -> Iterator[tuple[str, str, bytes]]:
    yield from _made_bombs()


@functools.cache
def _made_bombs() -> tuple[tuple[str, str, bytes], ...]:
    return tuple(_make_bombs())


def _make_bombs() -> Iterator[tuple[str, str, bytes]]:
    zeros = bytes(40 << 20)
    yield "bomb", "zip", zipped(*((f"{number}", zeros, 0o100644) for number in range(3)))
    whole = tar(*(Entry(f"{number}", content=zeros) for number in range(3)))
    yield "bomb", "tar.gz", gzip.compress(whole, 1)
    yield "bomb", "tar.bz2", bz2.compress(whole, 1)
    yield "bomb in a bomb", "tar.gz", gzip.compress(gzip.compress(whole, 1), 1)
    many = zipped(*((f"{number}", b"", 0o100644) for number in range(1100)))
    yield "many entries", "zip", many
    yield "many entries", "tar", tar(*(Entry(f"{number}") for number in range(1100)))
    yield "one content for many entries", "zip", _overlapping()
    yield "sparse", "tar", tar(
        Entry(
            "s",
            content=b"0\n",
            pax={
                "GNU.sparse.major": "1",
                "GNU.sparse.minor": "0",
                "GNU.sparse.name": "../outside/planted",
                "GNU.sparse.realsize": str(1 << 50),
            },
        )
    )  # fmt: skip
    yield "size that isn't there", "tar", raw_header(b"f", size=1 << 30) + b"short"
    yield "size below zero", "tar", tar(Entry("f", pax={"size": "-1"}))
    yield "size that is no number", "tar", tar(Entry("f", pax={"size": "x"}))
    yield (
        "pax record without an end",
        "tar",
        raw_header(b"p", b"x", size=512) + b"999999999 path=x\n".ljust(512, b"\0"),
    )
    yield "pax record of nothing", "tar", raw_header(b"p", b"x", size=512) + b"0 path=x\n".ljust(512, b"\0")
    yield "huge pax record", "tar", raw_header(b"p", b"x", size=(1 << 33) - 1)
    yield "huge long name", "tar", raw_header(b"p", b"L", size=(1 << 33) - 1)


def _overlapping() -> bytes:
    """A zip whose directory names one compressed megabyte a thousand times (what 42.zip's successors do)."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", bytes(1 << 20))
    whole = out.getvalue()
    at = whole.index(b"PK\x01\x02")
    end = whole.index(b"PK\x05\x06")
    record = whole[at:end]
    directory = record * 900
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 900, 900, len(directory), at, 0)
    return whole[:at] + directory + tail


def _damaged(_outside: Path) -> Iterator[tuple[str, str, bytes]]:
    good = tar(Entry("f", content=b"x" * 2000), Entry("d/g", content=b"y" * 2000))
    for kind, whole in {
        "zip": zipped(("f", b"x" * 2000, 0o100644)),
        "tar": good,
        "tar.gz": gzip.compress(good),
        "tar.bz2": bz2.compress(good),
    }.items():
        for cut in (1, 7, 90, len(whole) // 2, len(whole) - 30):
            yield f"cut at {cut}", kind, whole[:cut]
        for at in (0, 5, 20, 60, len(whole) // 2, len(whole) - 15):
            flipped = bytearray(whole)
            flipped[at] ^= 0xFF
            yield f"flipped at {at}", kind, bytes(flipped)
    yield "nothing", "tar", b""
    yield "no archive", "tar", b"#!/bin/sh\necho no archive\n" * 100
    encrypted = bytearray(zipped(("f", b"x", 0o100644)))
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        encrypted[encrypted.index(magic) + offset] |= 1
    yield "encrypted", "zip", bytes(encrypted)
    lying = zipped(("good", PAYLOAD, 0o100644)).replace(b"good", b"../x", 1)  # one name outside, one inside
    yield "two names for one entry", "zip", lying
    yield "a name with a NUL", "zip", zipped(("aXb", b"x", 0o100644)).replace(b"aXb", b"a\0b")
    yield "a name with a NUL", "tar", tar(Entry("f", pax={"path": "a\0../../outside/planted"}))
    yield "a time beyond all times", "tar", tar(Entry("f", pax={"mtime": "1e400"}))
    yield "an owner that can't be", "tar", tar(Entry("f", pax={"uid": "-1", "gid": str(1 << 40)}))


CLASSES: list[Callable[[Path], Iterator[tuple[str, str, bytes]]]] = [_names, _links, _kinds, _bombs, _damaged]


def craft(outside: Path) -> Iterator[Crafted]:
    """Every archive there is against the tree ``outside``, which lies beside the volume."""
    for attack, kind, content in itertools.chain.from_iterable(each(outside) for each in CLASSES):
        yield Crafted(attack, kind, content)
        if kind == "tar" and len(content) < 100_000:
            yield Crafted(attack, "tar.gz", gzip.compress(content, 1))


MARK = b"lightd"
"""The comment of lightd's own archives, which anyone can write."""


def mark(crafted: Crafted) -> Crafted | None:
    """The same archive as if lightd had created it; None if it has no place for the mark."""
    content = crafted.content
    if crafted.kind == "tar":
        record = b"18 comment=" + MARK + b"\n"
        return attrs.evolve(
            crafted, content=raw_header(b"g", b"g", size=18) + record.ljust(512, b"\0") + content
        )
    if crafted.kind == "zip" and content[-22:-18] == b"PK\x05\x06" and content.endswith(b"\0\0"):
        return attrs.evolve(crafted, content=content[:-2] + len(MARK).to_bytes(2, "little") + MARK)
    return None
