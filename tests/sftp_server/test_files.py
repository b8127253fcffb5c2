"""The file operations of the SFTP server, in a folder instead of a volume that is the root."""

import asyncio
import errno
import os
import socket
import stat
from pathlib import Path

import asyncssh
import attrs
import pytest
from asyncssh.constants import (
    FXF_APPEND,
    FXF_CREAT,
    FXF_EXCL,
    FXF_READ,
    FXF_TRUNC,
    FXF_WRITE,
    FXP_WRITE,
)
from asyncssh.packet import SSHPacket, String, UInt64
from asyncssh.sftp import SFTPAttrs, SFTPServerHandler

from lightd.sftp import wire
from lightd.sftp.places import Places
from lightd.sftp.server import files, listener, overrides
from lightd.sftp.server.files import MOST_READ, MOST_UNREAD, Files, to_absolute
from lightd.sftp.server.journal import LEASE, MOST_TOLD, NAMES, Journal
from lightd.sftp.server.link import LinkLost

NEW = FXF_WRITE | FXF_CREAT | FXF_TRUNC
ACCEPTED = wire.Accepted(
    "session", "ticket", "988:988", read_only=False, denied=(), limit=None, used=None, counted=True
)


@attrs.define(eq=False)
class Room:
    """A daemon that grants bytes and entries while there are some; ``asked`` are the charges."""

    bytes: int = 1 << 40
    entries: int = 1 << 20
    asked: list = attrs.field(factory=list)
    told: list = attrs.field(factory=list)
    hears: bool = True

    async def ask(self, charge):
        self.asked.append(charge)
        granted = charge.bytes <= self.bytes and charge.entries <= self.entries
        if granted:
            self.bytes -= charge.bytes
            self.entries -= charge.entries
        return wire.Granted(granted), None

    def tell(self, report):
        if self.hears:
            self.told.append(report)
        return self.hears


@attrs.define(eq=False)
class Channel:
    """What waits for the client to read."""

    waiting: int = 0
    status: int | None = None

    def get_write_buffer_size(self):
        return self.waiting

    def is_closing(self):
        return self.status is not None

    def exit(self, status):
        self.status = status


@attrs.define(eq=False)
class Session:
    """A connection that sends at once."""

    transport: Channel = attrs.field(factory=Channel)
    channels: int = 1


@attrs.define(eq=False)
class Bench:
    """A server on ``folder``, and what it asks and says."""

    folder: object
    room: Room = attrs.field(factory=Room)
    channel: Channel = attrs.field(factory=Channel)
    session: Session = attrs.field(factory=Session)
    journal: Journal = attrs.field(init=False)
    files: Files = attrs.field(init=False)

    def __attrs_post_init__(self):
        self.journal = Journal(self.room)
        self.journal.take_on(ACCEPTED)
        self.files = Files(self.channel, self.session, self.journal)

    def at(self, name):
        return os.fsencode(self.folder / name)

    def do(self, outcome):
        """The result of an operation, which may be a coroutine."""
        return asyncio.run(outcome) if asyncio.iscoroutine(outcome) else outcome

    def write(self, name, content, flags=NEW, offset=0):
        handle = self.do(self.files.open(self.at(name), flags, SFTPAttrs()))
        try:
            return self.do(self.files.write(handle, offset, content))
        finally:
            self.files.close(handle)

    def read(self, name, offset=0, size=1 << 30):
        handle = self.do(self.files.open(self.at(name), FXF_READ, SFTPAttrs()))
        try:
            return self.do(self.files.read(handle, offset, size))
        finally:
            self.files.close(handle)

    def names(self, name=""):
        async def listed():
            return [(each.filename, each.attrs.size) async for each in self.files.scandir(self.at(name))]

        return asyncio.run(listed())


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


@pytest.fixture(params=[(), (("hidden/", "*.key"),)], ids=["without a deny list", "with one"])
def either(request, bench):
    bench.journal.denied(tuple(tuple(f"**/{each}" for each in given) for given in request.param))
    return bench


def fails(number):
    return pytest.raises(OSError, match=rf"\[Errno {number}\]")


def test_file_is_written_in_pieces_and_read_at_offsets(either):
    assert either.write("a", b"hello world") == 11
    either.write("a", b"W", FXF_WRITE, 6)
    assert either.read("a") == b"hello World"
    assert either.read("a", 6, 3) == b"Wor"
    assert either.read("a", 100) == b""
    either.write("a", b"!", FXF_WRITE | FXF_APPEND)
    assert (either.folder / "a").read_bytes() == b"hello World!"
    either.write("a", b"x", NEW)
    assert (either.folder / "a").read_bytes() == b"x"


def test_open_says_why_it_is_refused(either):
    (either.folder / "there").touch()
    (either.folder / "folder").mkdir()
    os.mkfifo(either.folder / "fifo")
    with fails(errno.EEXIST):
        either.write("there", b"", FXF_WRITE | FXF_CREAT | FXF_EXCL)
    with fails(errno.ENOENT):
        either.write("missing", b"", FXF_WRITE)
    with fails(errno.EISDIR):
        either.read("folder")
    with pytest.raises(OSError, match="not a regular file"):
        either.read("fifo")
    with fails(errno.ENXIO):
        either.write("fifo", b"", FXF_WRITE)
    with fails(errno.EINVAL):
        either.read("there", 1 << 63)
    with pytest.raises(asyncssh.SFTPOpUnsupported):
        either.do(either.files.open56(either.at("there"), 0, 0, SFTPAttrs()))
    with pytest.raises(TypeError):
        either.files.close("no handle")


def test_new_file_and_folder_have_the_permissions_without_set_id_bits(either):
    for name, mode in (("a", 0o6755), ("b", None)):
        handle = either.do(either.files.open(either.at(name), NEW, SFTPAttrs(permissions=mode)))
        either.files.close(handle)
        either.do(either.files.mkdir(either.at(f"{name}.d"), SFTPAttrs(permissions=mode)))
    umask = os.umask(0o22)
    os.umask(umask)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in either.folder.iterdir()}
    assert modes == {
        "a": 0o755 & ~umask,
        "a.d": 0o755 & ~umask,
        "b": 0o644 & ~umask,
        "b.d": 0o755 & ~umask,
    }


def test_attributes_are_set_through_paths_and_handles(either):
    either.write("a", b"x" * 100)
    (either.folder / "link").symlink_to("a")
    files = either.files
    either.do(files.setstat(either.at("link"), SFTPAttrs(size=50, permissions=0o4640, atime=5, mtime=7)))
    found = (either.folder / "a").stat()
    assert (found.st_size, stat.S_IMODE(found.st_mode), found.st_mtime) == (50, 0o640, 7)
    either.do(files.lsetstat(either.at("link"), SFTPAttrs(atime=1, mtime=2)))
    assert (either.folder / "link").lstat().st_mtime == 2
    with pytest.raises(OSError, match="a link has no permissions"):
        either.do(files.lsetstat(either.at("link"), SFTPAttrs(permissions=0o777)))
    handle = either.do(files.open(either.at("a"), FXF_WRITE, SFTPAttrs()))
    files.fsetstat(handle, SFTPAttrs(size=10, permissions=0o600, atime=1, atime_ns=3, mtime=2, mtime_ns=4))
    files.fsync(handle)
    found = files.fstat(handle)
    files.close(handle)
    assert (found.st_size, stat.S_IMODE(found.st_mode), found.st_mtime_ns) == (10, 0o600, 2 * 10**9 + 4)
    either.do(files.setstat(either.at("a"), SFTPAttrs()))


def test_names_are_listed_with_the_folder_itself(either):
    either.write("a", b"123")
    (either.folder / "folder").mkdir()
    (either.folder / "dangling").symlink_to("nowhere")
    names = dict(either.names())
    assert names.keys() == {b".", b"..", b"a", b"folder", b"dangling"}
    assert names[b"a"] == 3
    with fails(errno.ENOTDIR):
        either.names("a")


def test_links_are_stored_as_given_and_followed(either):
    either.write("a", b"123")
    either.do(either.files.symlink(b"a", either.at("soft")))
    either.do(either.files.link(either.at("a"), either.at("hard")))
    assert either.files.readlink(either.at("soft")) == b"a"
    assert either.files.stat(either.at("soft")).st_size == 3
    assert stat.S_ISLNK(either.files.lstat(either.at("soft")).st_mode)
    assert either.read("soft") == b"123"
    assert (either.folder / "hard").stat().st_nlink == 2
    assert either.files.realpath(either.at("soft")) == either.at("a")


def test_rename_replaces_only_if_asked_to(either):
    either.write("a", b"a")
    either.write("b", b"b")
    with pytest.raises(asyncssh.SFTPFailure, match="already"):
        either.files.rename(either.at("a"), either.at("b"))
    either.files.posix_rename(either.at("a"), either.at("b"))
    either.files.rename(either.at("b"), either.at("c"))
    either.do(either.files.mkdir(either.at("d"), SFTPAttrs()))
    either.files.rename(either.at("d"), either.at("e"))
    either.files.rmdir(either.at("e"))
    either.files.remove(either.at("c"))
    assert list(either.folder.iterdir()) == []


def test_reader_gets_nothing(bench):
    bench.write("a", b"a")
    bench.journal.take_on(attrs.evolve(ACCEPTED, read_only=True))
    handle = bench.do(bench.files.open(bench.at("a"), FXF_READ, SFTPAttrs()))
    for attempt in (
        lambda: bench.write("b", b""),
        lambda: bench.files.open(bench.at("b"), FXF_READ | FXF_CREAT, SFTPAttrs()),
        lambda: bench.files.setstat(bench.at("a"), SFTPAttrs(size=0)),
        lambda: bench.files.fsetstat(handle, SFTPAttrs(size=0)),
        lambda: bench.files.symlink(b"a", bench.at("b")),
        lambda: bench.files.link(bench.at("a"), bench.at("b")),
        lambda: bench.files.mkdir(bench.at("b"), SFTPAttrs()),
        lambda: bench.files.rmdir(bench.at("b")),
        lambda: bench.files.remove(bench.at("a")),
        lambda: bench.files.rename(bench.at("a"), bench.at("b")),
    ):
        with fails(errno.EROFS):
            bench.do(attempt())
    bench.files.close(handle)
    assert [path.name for path in bench.folder.iterdir()] == ["a"]


def test_deny_list_holds_for_every_way_to_a_file(bench):
    bench.write("my.key", b"k")
    (bench.folder / "hidden").mkdir()
    (bench.folder / "hidden" / "a").write_text("a")
    (bench.folder / "way").symlink_to("hidden")
    (bench.folder / "plain").mkdir()
    bench.journal.denied((("**/hidden/", "*.key"),))
    files, at = bench.files, bench.at
    for attempt in (
        lambda: bench.read("my.key"),
        lambda: bench.read("hidden/a"),
        lambda: bench.read("way/a"),
        lambda: bench.read("plain/../hidden/a"),
        lambda: bench.write("new.key", b""),
        lambda: files.stat(at("hidden")),
        lambda: files.stat(at("way")),
        lambda: files.lstat(at("my.key")),
        lambda: bench.names("way"),
        lambda: bench.names("hidden"),
        lambda: files.realpath(at("way")),
        lambda: files.remove(at("my.key")),
        lambda: files.rename(at("my.key"), at("open")),
        lambda: files.rename(at("plain"), at("x/hidden")),
        lambda: files.mkdir(at("plain/hidden"), SFTPAttrs()),
        lambda: files.link(at("my.key"), at("open")),
        lambda: files.statvfs(at("way")),
    ):
        with pytest.raises(OSError, match="deny list"):
            bench.do(attempt())
    assert stat.S_ISLNK(files.lstat(at("way")).st_mode)
    assert files.readlink(at("way")) == b"hidden"
    assert files.stat(b"/").st_ino == Path("/").stat().st_ino


@pytest.mark.parametrize("way", ["rename", "posix_rename"])
def test_folder_with_something_denied_in_it_is_not_renamed(bench, way):
    (bench.folder / "config" / "deep").mkdir(parents=True)
    (bench.folder / "config" / "deep" / "secret.key").write_text("secret")
    (bench.folder / "plain").mkdir()
    (bench.folder / "plain" / "a").touch()
    anchored = f"{bench.folder}/config/deep/secret.key"
    bench.journal.denied(((anchored, f"{bench.folder}/goal/a"),))
    rename = getattr(bench.files, way)
    for old, new in (("config", "open"), ("config/deep", "open"), ("plain", "goal")):
        with pytest.raises(OSError, match="deny list"):
            rename(bench.at(old), bench.at(new))
    rename(bench.at("plain"), bench.at("fine"))
    assert sorted(path.name for path in bench.folder.iterdir()) == ["config", "fine"]


def test_folder_with_too_many_names_is_not_renamed_with_a_deny_list(bench, monkeypatch):
    (bench.folder / "many").mkdir()
    for number in range(5):
        (bench.folder / "many" / str(number)).touch()
    monkeypatch.setattr(files, "MOST_BELOW", 4)
    bench.journal.denied((("*.key",),))
    with pytest.raises(OSError, match="too many"):
        bench.files.rename(bench.at("many"), bench.at("more"))
    bench.journal.denied(())
    bench.files.rename(bench.at("many"), bench.at("more"))


def test_listener_survives_a_daemon_that_ends_at_once(tmp_path):
    places = Places(tmp_path)
    settings = listener.Settings("127.0.0.1", 0, *(1, 1, 1, 1), "x")
    waiting = listener.Listener(settings, places, lambda *_: None)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as daemon:
        daemon.bind(str(places.socket))
        daemon.listen(1)
        connected = listener.connect(places)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listener, "connect", lambda _: connected)
        waiting._reconnect()
    assert waiting._daemon is None
    assert connected.fileno() == -1


def test_link_that_appears_behind_the_check_is_not_followed(bench, monkeypatch):
    (bench.folder / "plain").mkdir()
    (bench.folder / "plain" / "a").write_text("fine")
    (bench.folder / "hidden").mkdir()
    (bench.folder / "hidden" / "a").write_text("secret")
    bench.journal.denied((("**/hidden/",),))
    check = bench.journal.check

    def check_and_swap(_, path, *, folder=False):
        check(path, folder=folder)
        if (bench.folder / "plain").is_dir() and not (bench.folder / "plain").is_symlink():
            (bench.folder / "plain").rename(bench.folder / "before")
            (bench.folder / "plain").symlink_to("hidden")

    monkeypatch.setattr(Journal, "check", check_and_swap)
    with fails(errno.ENOTDIR):
        bench.read("plain/a")


def test_room_is_reserved_ahead_and_what_is_missing_refuses_the_write(bench):
    bench.room.bytes = LEASE + 3 * 4608
    bench.write("a", b"x" * 5000)
    assert bench.room.asked == [wire.Charge(4608 + LEASE, 1 + NAMES)]
    bench.write("b", b"x" * 5000)
    assert len(bench.room.asked) == 1
    with pytest.raises(OSError, match="the volume is full") as refused:
        bench.write("c", b"x" * (2 * LEASE))
    assert refused.value.errno == errno.ENOSPC
    assert (bench.folder / "c").stat().st_size == 0
    assert bench.room.asked[-2:] == [wire.Charge(3 * LEASE, NAMES), wire.Charge(2 * LEASE, 0)]


def test_bytes_are_not_charged_where_the_kernel_counts_them(bench):
    bench.journal.take_on(attrs.evolve(ACCEPTED, counted=False))
    bench.write("a", b"x" * 100_000)
    assert bench.room.asked == [wire.Charge(0, 1 + NAMES)]
    bench.room.entries = 0
    for number in range(NAMES):
        bench.do(bench.files.mkdir(bench.at(f"d{number}"), SFTPAttrs()))
    with fails(errno.ENOSPC):
        bench.do(bench.files.mkdir(bench.at("more"), SFTPAttrs()))


def test_size_of_a_volume_bounds_its_files_and_is_what_df_shows(bench):
    bench.write("a", b"x")
    bench.journal.take_on(attrs.evolve(ACCEPTED, limit=1 << 20, used=1 << 19))
    for attempt in (
        lambda: bench.files.setstat(bench.at("a"), SFTPAttrs(size=2 << 20)),
        lambda: bench.files.setstat(bench.at("a"), SFTPAttrs(size=1 << 62)),
    ):
        with fails(errno.ENOSPC):
            bench.do(attempt())
    bench.do(bench.files.setstat(bench.at("a"), SFTPAttrs(size=1 << 19)))
    handle = bench.do(bench.files.open(bench.at("a"), FXF_READ, SFTPAttrs()))
    for room in (bench.files.statvfs(bench.at("a")), bench.files.fstatvfs(handle)):
        assert room.bsize * room.blocks == 1 << 20
        assert room.bsize * room.bavail == 1 << 19
    bench.files.close(handle)
    bench.journal.take_on(attrs.evolve(ACCEPTED, limit=1 << 20, used=None))
    assert bench.files.statvfs(b"/").bfree == (1 << 20) // 4096
    bench.journal.take_on(ACCEPTED)
    assert bench.files.statvfs(b"/").blocks == os.statvfs("/").f_blocks


def test_answer_is_short_and_waits_for_a_client_that_does_not_read(bench):
    bench.write("a", bytes(MOST_READ + 1))
    assert len(bench.read("a")) == MOST_READ
    bench.channel.waiting = MOST_UNREAD + 1

    async def reads():
        handle = await bench.files.open(bench.at("a"), FXF_READ, SFTPAttrs())
        reading = asyncio.create_task(bench.files.read(handle, 0, 10))
        await asyncio.sleep(0.05)
        assert not reading.done()
        bench.channel.waiting = 0
        assert len(await reading) == 10
        bench.files.close(handle)

    asyncio.run(reads())


def test_report_of_changes_is_sent_once_and_is_bounded(bench):
    bench.write("a", b"123")
    bench.files.rename(bench.at("a"), bench.at("b"))
    bench.read("b")
    bench.journal.report(bench.room)
    (report,) = bench.room.told
    assert report.done == (
        ("write", str(bench.folder / "a"), ""),
        ("rename", str(bench.folder / "a"), str(bench.folder / "b")),
    )
    assert (report.more, report.read, report.written, report.files) == (0, 3, 3, 2)
    bench.journal.report(bench.room)
    assert len(bench.room.told) == 1
    bench.room.hears = False
    for number in range(MOST_TOLD + 5):
        bench.journal.note("write", f"/{number}".encode() + "🎮".encode() * 1000 + b"\xff", b"\x01" * 5000)
    bench.journal.report(bench.room)
    bench.room.hears = True
    bench.journal.report(bench.room)
    report = bench.room.told[-1]
    assert len(report.done) + report.more == MOST_TOLD + 5
    assert 10 < len(report.done) < MOST_TOLD
    assert wire.from_bytes(wire.to_bytes(report)) == report


def test_session_that_ends_says_that_it_went_well_once(bench):
    bench.files.exit()
    assert bench.channel.status == 0
    bench.channel.status = 1
    bench.files.exit()
    assert bench.channel.status == 1


@pytest.mark.parametrize(
    ("path", "absolute"),
    [(b"", b"/"), (b".", b"/"), (b"a", b"/a"), (b"//a", b"/a"), (b"/a/../../b", b"/b"), (b"../..", b"/")],
)
def test_path_is_shown_from_the_volume(path, absolute):
    assert to_absolute(path) == absolute


def test_users_are_shown_by_number(bench):
    assert (bench.files.format_user(988), bench.files.format_user(None)) == ("988", "")
    assert (bench.files.format_group(988), bench.files.format_group(None)) == ("988", "")


def test_write_with_bytes_behind_its_data_is_processed(bench, monkeypatch):
    monkeypatch.setattr(SFTPServerHandler, "_packet_handlers", dict(SFTPServerHandler._packet_handlers))
    monkeypatch.setattr(SFTPServerHandler, "_extensions", list(SFTPServerHandler._extensions))
    before = len(SFTPServerHandler._extensions)
    overrides.install()
    assert SFTPServerHandler._packet_handlers[FXP_WRITE] is overrides.process_write
    assert len(SFTPServerHandler._extensions) == before - 1
    handle = bench.do(bench.files.open(bench.at("a"), NEW, SFTPAttrs()))

    class Handler:
        _file_handles = {b"h": handle}  # noqa: RUF012 - as asyncssh's
        _server = bench.files

    packet = String(b"h") + UInt64(0) + String(b"data") + b"rest"
    assert bench.do(overrides.process_write(Handler, SSHPacket(packet))) == 4
    with pytest.raises(asyncssh.SFTPError, match="Invalid"):
        bench.do(overrides.process_write(Handler, SSHPacket(String(b"x") + UInt64(0) + String(b""))))
    bench.files.close(handle)
    assert (bench.folder / "a").read_bytes() == b"data"
    assert issubclass(LinkLost, OSError)
