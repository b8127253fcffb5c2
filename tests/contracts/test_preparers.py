"""The contract of preparers, over the double and the one of eggs; and what eggs ask for on a real disk."""

import json
import os
import socket
import stat
from pathlib import Path

import attrs
import pytest
import trio

from actors.container.preparation import Unprepared
from actors.container.spec import EggUse, Limits, PortBinding
from actors.kernel.decider import Rejection
from lightd import preparation
from lightd.eggs.egg import ConfigFile, Egg, Replacement, Variable
from lightd.eggs.rules import parse
from lightd.files import errors
from lightd.files.volumes import VolumeFolders
from lightd.preparation import Preparation
from tests.contracts import preparer_checks
from tests.support import builders
from tests.support.doubles.preparer import FakePreparer

CHECKS = {name: check for name, check in vars(preparer_checks).items() if name.startswith("check_")}
VOLUME = "a3f1c2d4-0000-4000-8000-5e6f708192a3"
PORT = PortBinding("0.0.0.0", 30001, "tcp", 25565)

PORTS = ConfigFile("server.properties", "properties", (Replacement("port", "{{server.build.default.port}}"),))


def an_egg(*files, variables=()):
    return Egg("A game", {"Java": "java:21"}, {"": "./game"}, files=files, variables=variables)


NAME = Variable("Name", "NAME", rules=parse("required|max:5"))


@attrs.define(eq=False)
class FakeScene:
    preparer: FakePreparer = attrs.field(factory=FakePreparer)

    def fine(self):
        return builders.a_spec("s1")

    def refused(self):
        self.preparer.refusal = "NAME must be filled in"
        return self.fine()

    def doubtful(self):
        self.preparer.warning = "a.cfg cannot be changed"
        return self.fine()

    def state(self):
        return set(self.preparer.files)


@attrs.define(eq=False)
class EggScene:
    folder: Path
    egg: Egg = attrs.field(factory=lambda: an_egg(PORTS))
    said: list = attrs.field(factory=list)
    folders: VolumeFolders = attrs.field(init=False)

    def __attrs_post_init__(self):
        self.folders = VolumeFolders(self.folder)
        self.volume.mkdir()

    @property
    def volume(self):
        return self.folder / VOLUME

    @property
    def preparer(self):
        return Preparation(self.folders, self.read, lambda: "172.20.0.1")

    async def read(self, egg_id, version):
        if (egg_id, version) != ("game", "v1"):
            raise Rejection("egg_not_found", "no such egg")
        return self.egg

    def fine(self, *variables, **changes):
        fields = {"volume_id": VOLUME, "ports": (PORT,), "limits": Limits(memory=2 << 30)}
        return builders.a_spec("s1", **{**fields, "egg": EggUse("game", "v1", variables), **changes})

    def refused(self):
        self.egg = an_egg(PORTS, variables=(NAME,))
        return self.fine()

    def doubtful(self):
        (self.volume / "server.properties").mkdir()
        return self.fine()

    def state(self):
        return {
            str(path): (path.lstat().st_mtime_ns, path.lstat().st_ino, path.lstat().st_mode)
            for path in sorted(self.volume.rglob("*"))
        }

    async def prepare(self, *variables, **changes):
        self.said.clear()
        await self.preparer.prepare(self.fine(*variables, **changes), self.said.append)
        return list(self.said)

    def content(self, name="server.properties"):
        return (self.volume / name).read_text()


@pytest.fixture
def egg_server(tmp_path):
    """A volume, and a preparer for servers of an egg with one properties file."""
    return EggScene(tmp_path)


@pytest.mark.parametrize("name", CHECKS)
async def test_fake_preparer(name):
    await CHECKS[name](FakeScene())


@pytest.mark.parametrize("name", CHECKS)
async def test_preparer_of_eggs(name, tmp_path):
    await CHECKS[name](EggScene(tmp_path))


async def test_file_that_is_missing_is_created_with_its_folders_for_the_owner_of_the_volume(egg_server):
    egg_server.egg = an_egg(attrs.evolve(PORTS, path="/conf/deep/server.properties"))
    if os.geteuid() == 0:
        os.chown(egg_server.volume, 4321, 4322)
    assert await egg_server.prepare() == ["/conf/deep/server.properties was adapted"]
    assert egg_server.content("conf/deep/server.properties") == "port=25565\n"
    owner = egg_server.volume.stat()
    for name in ("conf", "conf/deep", "conf/deep/server.properties"):
        made = (egg_server.volume / name).stat()
        assert (made.st_uid, made.st_gid) == (owner.st_uid, owner.st_gid)
    assert await egg_server.prepare() == []


async def test_file_keeps_its_mode_and_everything_else_in_it(egg_server):
    path = egg_server.volume / "server.properties"
    path.write_text("# mine\nport=1\nmotd=hello\n")
    path.chmod(0o640)
    await egg_server.prepare()
    assert egg_server.content() == "# mine\nport=25565\nmotd=hello\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


async def test_file_whose_values_are_right_is_not_written(egg_server):
    path = egg_server.volume / "server.properties"
    path.write_bytes(b"port = 25565\r\n# \xff\r\n")
    before = egg_server.state()
    assert await egg_server.prepare() == []
    assert egg_server.state() == before


async def test_placeholders_have_the_values_of_the_container(egg_server):
    wanted = {
        "ip": "{{server.build.default.ip}}",
        "memory": "{{server.build.memory}}",
        "name": "{{env.NAME}}",
        "mode": "{{server.environment.MODE}}",
        "query": "{{server.environment.QUERY_PORT}}",
        "host": "{{config.docker.interface}}",
        "id": "{{server.uuid}}",
    }
    egg_server.egg = an_egg(
        ConfigFile("a.cfg", "properties", tuple(Replacement(key, value) for key, value in wanted.items()))
    )
    query = PortBinding("0.0.0.0", 30002, "udp", 27015, name="QUERY_PORT")
    await egg_server.prepare(("NAME", "Bob"), environment=(("MODE", "hard"),), ports=(PORT, query))
    assert egg_server.content("a.cfg").splitlines() == [
        "ip=0.0.0.0",
        "memory=2048",
        "name=Bob",
        "mode=hard",
        "query=27015",
        "host=172.20.0.1",
        f"id={VOLUME}",
    ]


async def test_variable_that_violates_its_rules_refuses_the_start_and_is_named(egg_server):
    egg_server.egg = an_egg(
        PORTS, variables=(NAME, attrs.evolve(NAME, name="Other", env="OTHER", default="ok"))
    )
    with pytest.raises(Unprepared, match=r"^variables must be filled in first: NAME \(Name\) must"):
        await egg_server.prepare()
    with pytest.raises(Unprepared, match=r"NAME \(Name\)") as refused:
        await egg_server.prepare(("NAME", "too long"))
    assert "too long" not in str(refused.value)
    assert egg_server.state() == {}
    await egg_server.prepare(("NAME", "Bob"))
    await egg_server.prepare(environment=(("NAME", "Eve"),))


async def test_egg_that_is_gone_refuses_the_start(egg_server):
    with pytest.raises(Unprepared, match="no such egg"):
        await egg_server.prepare(egg=EggUse("game", "v2"))


async def test_container_without_an_egg_is_left_alone(egg_server):
    assert await egg_server.prepare(egg=None) == []
    assert egg_server.state() == {}


def a_fifo(path):
    os.mkfifo(path)


def a_socket(path):
    with socket.socket(socket.AF_UNIX) as door:
        here = Path.cwd()
        os.chdir(path.parent)
        try:
            door.bind(path.name)
        finally:
            os.chdir(here)


def a_device(path):
    if os.geteuid() != 0:
        pytest.skip("devices are made by root")
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))


def a_huge_file(path):
    with path.open("wb") as file:
        file.truncate(1 << 30)


def a_link_out(path):
    (path.parent.parent / "secret").write_text("port=1\n")
    path.symlink_to("../secret")


def a_hard_link_out(path):
    (path.parent.parent / "secret").write_text("port=1\n")
    os.link(path.parent.parent / "secret", path)


def a_loop(path):
    path.symlink_to(path.name)


def a_dangling_link(path):
    path.symlink_to("nowhere")


HOSTILE = {
    a_fifo: "is a special file",
    a_socket: "is a special file",
    a_device: "is a special file",
    Path.mkdir: "is a folder",
    a_huge_file: "has 1073741824 bytes, more than 1048576",
    a_link_out: "path traversal",
    a_hard_link_out: "is a hard link to a file outside of the volume",
    a_loop: "symbolic links",
    a_dangling_link: "is a symbolic link",
}


@pytest.mark.parametrize("put", HOSTILE, ids=lambda put: put.__name__)
async def test_thing_that_a_tenant_puts_in_place_of_a_file_stays_as_it_is(egg_server, put):
    put(egg_server.volume / "server.properties")
    before = egg_server.state()
    with trio.fail_after(30):
        (said,) = await egg_server.prepare()
    assert said.startswith("Warning: server.properties was not changed: ")
    assert HOSTILE[put] in said
    assert str(egg_server.folder) not in said
    assert egg_server.state() == before
    secret = egg_server.folder / "secret"
    assert not secret.exists() or secret.read_text() == "port=1\n"


@pytest.mark.parametrize("path", ["../out", "a/../../out", "", "/", "x" * 300, "a\0b"])
async def test_path_of_an_egg_that_leads_out_is_refused(egg_server, path):
    egg_server.egg = an_egg(attrs.evolve(PORTS, path=path))
    (said,) = await egg_server.prepare()
    assert "was not changed" in said
    assert list(egg_server.folder.iterdir()) == [egg_server.volume]


async def test_link_inside_the_volume_is_followed_and_stays(egg_server):
    (egg_server.volume / "real").mkdir()
    (egg_server.volume / "real/file").write_text("port=1\n")
    (egg_server.volume / "server.properties").symlink_to("real/file")
    await egg_server.prepare()
    assert egg_server.content("real/file") == "port=25565\n"
    assert (egg_server.volume / "server.properties").is_symlink()


async def test_file_that_cannot_be_read_by_its_parser_is_left_alone(egg_server):
    egg_server.egg = an_egg(ConfigFile("a.json", "json", (Replacement("a", "1"),)))
    (egg_server.volume / "a.json").write_text("{")
    (said,) = await egg_server.prepare()
    assert said.startswith("Warning: a.json was not changed: it is not valid JSON")
    assert egg_server.content("a.json") == "{"


async def test_places_that_a_file_does_not_have_are_named(egg_server):
    egg_server.egg = an_egg(ConfigFile("a.json", "json", (Replacement("a.b", "1"), Replacement("c", "2"))))
    (egg_server.volume / "a.json").write_text('{"a": 5}')
    assert await egg_server.prepare() == ["a.json was adapted; no place for a.b"]
    assert json.loads(egg_server.content("a.json")) == {"a": 5, "c": 2}
    assert await egg_server.prepare() == ["Warning: a.json; no place for a.b"]


async def test_very_many_files_fill_no_console(egg_server):
    egg_server.egg = an_egg(*(attrs.evolve(PORTS, path=f"{number}.properties") for number in range(50)))
    said = await egg_server.prepare()
    assert len(said) == preparation.MOST_NOTES + 1
    assert said[-1] == "30 more configuration files were changed, or could not be changed"
    assert len(list(egg_server.volume.iterdir())) == 50


async def test_file_that_a_client_changes_meanwhile_is_rendered_again(egg_server, monkeypatch):
    path, real, changes = egg_server.volume / "server.properties", preparation.put_back, []
    path.write_text("port=1\n")

    def change(jail, before, data):
        if len(changes) < 2:
            changes.append(path.write_text(f"port=1\nchange={len(changes)}\n"))
        real(jail, before, data)

    monkeypatch.setattr(preparation, "put_back", change)
    assert await egg_server.prepare() == ["server.properties was adapted"]
    assert egg_server.content() == "port=25565\nchange=1\n"


async def test_file_that_is_changed_without_end_is_given_up(egg_server, monkeypatch):
    path, real = egg_server.volume / "server.properties", preparation.put_back
    numbers = iter(range(100))

    def change(jail, before, data):
        path.write_text(f"port=1\nchange={next(numbers)}\n")
        real(jail, before, data)

    monkeypatch.setattr(preparation, "put_back", change)
    assert await egg_server.prepare() == [
        "Warning: server.properties was not changed: it keeps changing",
    ]


async def test_file_that_appears_meanwhile_is_not_replaced_unread(egg_server, monkeypatch):
    path, real = egg_server.volume / "server.properties", preparation.put_back

    def appear(jail, before, data):
        if before.etag is None:
            path.write_text("mine=1\n")
        real(jail, before, data)

    monkeypatch.setattr(preparation, "put_back", appear)
    await egg_server.prepare()
    assert egg_server.content() == "mine=1\nport=25565\n"


async def test_full_volume_leaves_the_file_as_it_was(egg_server):
    (egg_server.volume / "server.properties").write_text("port=1\n")
    egg_server.folders.writing = full
    (said,) = await egg_server.prepare()
    assert said == "Warning: server.properties was not changed: The volume is full"
    assert egg_server.content() == "port=1\n"
    assert len(egg_server.state()) == 1


def full(_volume_id, _count):
    raise errors.NoSpace("The volume is full")


async def test_disk_that_fails_is_said(egg_server, monkeypatch):
    def fail(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(preparation, "put_back", fail)
    assert await egg_server.prepare() == ["Warning: server.properties was not changed: Input/output error"]


async def test_deny_list_does_not_hold_back_the_preparation(egg_server):
    from lightd.files.denying import DenyList  # noqa: PLC0415 - only here

    egg_server.folders.denied = lambda _: DenyList.of([("server.properties",)])
    assert await egg_server.prepare() == ["server.properties was adapted"]


async def test_volume_whose_folder_is_missing_is_said(egg_server):
    egg_server.volume.rmdir()
    (said,) = await egg_server.prepare()
    assert "The volume's folder is missing" in said


async def test_preparation_that_is_cancelled_leaves_whole_files(egg_server):
    egg_server.egg = an_egg(*(attrs.evolve(PORTS, path=f"{number}.properties") for number in range(20)))
    with trio.move_on_after(0.005):
        await egg_server.prepare()
    for path in egg_server.volume.iterdir():
        assert path.read_text() == "port=25565\n"
    await egg_server.prepare()
    assert len(list(egg_server.volume.iterdir())) == 20


def a_large_file(parser):
    lines = {
        "properties": "port=1\n" + "key=value\n" * 20_000,
        "json": json.dumps({"port": 1, "list": [0] * 60_000}),
    }
    return lines[parser]


@pytest.mark.parametrize("parser", ["properties", "json"])
async def test_large_file_is_rendered_in_a_process_of_its_own(egg_server, parser):
    egg_server.egg = an_egg(ConfigFile("a", parser, (Replacement("port", "2"), Replacement("x.y", "3"))))
    before = a_large_file(parser)
    assert len(before) > preparation.IN_THREAD
    (egg_server.volume / "a").write_text(before)
    assert await egg_server.prepare() == ["a was adapted"]
    found = egg_server.content("a")
    if parser == "json":
        assert json.loads(found) == {**json.loads(before), "port": 2, "x": {"y": 3}}
    else:
        assert found == before.replace("port=1", "port=2") + "x.y=3\n"
    assert await egg_server.prepare() == []


async def test_large_file_with_a_mistake_is_left_alone(egg_server):
    egg_server.egg = an_egg(ConfigFile("a", "json", (Replacement("port", "2"),)))
    before = a_large_file("json") + "}"
    (egg_server.volume / "a").write_text(before)
    (said,) = await egg_server.prepare()
    assert said.startswith("Warning: a was not changed: it is not valid JSON")
    assert egg_server.content("a") == before


async def test_process_that_dies_changes_nothing(egg_server, monkeypatch):
    from lightd.eggs.rendering import apart  # noqa: PLC0415 - replaced below

    monkeypatch.setattr(apart, "_COMMAND", ("/bin/sh", "-c", "cat >/dev/null; kill -9 $$"))
    egg_server.egg = an_egg(ConfigFile("a", "properties", (Replacement("port", "2"),)))
    before = a_large_file("properties")
    (egg_server.volume / "a").write_text(before)
    assert await egg_server.prepare() == [
        "Warning: a was not changed: it cannot be read with the memory and the time that are allowed"
    ]
    assert egg_server.content("a") == before


async def test_cancelled_preparation_ends_the_process(egg_server, monkeypatch):
    from lightd.eggs.rendering import apart  # noqa: PLC0415 - replaced below

    monkeypatch.setattr(apart, "_COMMAND", ("/bin/sh", "-c", "sleep 1000"))
    egg_server.egg = an_egg(ConfigFile("a", "properties", (Replacement("port", "2"),)))
    (egg_server.volume / "a").write_text(a_large_file("properties"))
    with trio.fail_after(60), trio.move_on_after(0.5) as given_up:
        await egg_server.prepare()
    assert given_up.cancelled_caught
