"""The doctor's looks, each at something sound and at something broken; and that nothing keeps it waiting."""

import errno
import json
import os
import socket
import sqlite3
import sys
import time
from contextlib import closing
from functools import partial

import attrs
import pytest
import trio
import trio.lowlevel

from lightd.cli.commands.client import Client
from lightd.cli.commands.trouble import Trouble
from lightd.cli.doctor import (
    clock,
    configuration,
    engine,
    limits,
    listeners,
    panel,
    ports,
    software,
    storage,
    visit,
)
from lightd.cli.doctor.checkup import Check, examine
from lightd.cli.doctor.finding import Area, Verdict
from lightd.cli.doctor.subject import Subject
from lightd.config import file as config_file
from lightd.config import sections as config
from lightd.http.routes import doctor
from lightd.journal import inspection
from lightd.journal.sqlite import SCHEMA
from tests.api.front import TOKEN, a_file, open_api, write_file
from tests.support.daemon import free_port
from tests.support.doubles.engine_answers import INFO, VERSION
from tests.support.doubles.panel import HANG, Answer, open_panel
from tests.support.shell import Job, Shell

GOOD, DOUBTFUL, BAD, UNSEEN = Verdict


def a_subject(folder, **sections):
    file = a_file(folder, **{"server": {"host": "127.0.0.1", "port": 1}, **sections})
    return Subject(folder / "config.json", config.from_json(file, folder, "api"), now=time.time())


async def look(check, subject):
    found = []
    with trio.fail_after(10):
        await check.look(subject, found.append)
    return {finding.name: finding for finding in found}


# ---- the engine


@attrs.define
class EngineDouble:
    """Answers like an engine; ``seen`` is what it sees of the host's folders."""

    version: object = attrs.field(factory=lambda: {**VERSION, "Arch": "amd64"})
    info: dict = attrs.field(factory=lambda: {**INFO, "SystemTime": ""})
    seen: bool = True
    containers: list = attrs.field(factory=list)
    images: dict = attrs.field(factory=dict)
    hanging: bool = False
    asked: list = attrs.field(factory=list)

    async def serve(self, stream):
        async with stream:
            while data := await stream.receive_some(65536):
                if self.hanging:
                    await trio.sleep_forever()
                while b"\r\n\r\n" not in data or (b"Mounts" not in data and data.startswith(b"POST")):
                    data += await stream.receive_some(65536)
                path = data.split(b" ")[1].decode().split("?")[0]
                self.asked.append(path)
                status, body = self.answer(path, data)
                text = body if isinstance(body, bytes) else json.dumps(body).encode()
                await stream.send_all(
                    b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(text), text)
                )

    def answer(self, path, data):
        if path == "/containers/create":
            assert engine.NO_IMAGE.encode() in data
            message = "No such image" if self.seen else "bind source path does not exist: /x"
            return (404 if self.seen else 400), {"message": message}
        if path.startswith("/images/"):
            return 200, self.images[path.split("/")[2]]
        if path.startswith("/networks/"):
            return 404, {"message": "network not found"}
        found = {"/version": self.version, "/info": self.info, "/containers/json": self.containers}
        return 200, found[path]


@pytest.fixture
async def double(tmp_path):
    double = EngineDouble()
    with trio.socket.socket(trio.socket.AF_UNIX) as listener:
        await listener.bind(str(tmp_path / "engine.sock"))
        listener.listen(10)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, double.serve, [trio.SocketListener(listener)])
            yield double
            nursery.cancel_scope.cancel()


@pytest.fixture
def subject(tmp_path):
    return a_subject(tmp_path, docker={"socket_path": str(tmp_path / "engine.sock")})


async def test_engine_as_it_should_be_is_all_green(double, subject):
    storage_ = subject.configuration.storage
    storage_.containers_path.mkdir(parents=True)
    storage_.volumes_path.mkdir()
    double.containers = [{"ImageID": "a", "Image": "web"}]
    double.images = {"a": {"Architecture": "amd64"}}
    found = await look(visit.CHECKS["engine"], subject)
    assert {finding.verdict for finding in found.values()} == {GOOD}, found
    assert found.keys() >= {"version", "mounts", "images"}


async def test_folders_that_the_engine_does_not_see_are_red(double, subject):
    subject.configuration.storage.volumes_path.mkdir(parents=True)
    double.seen = False
    found = await look(visit.CHECKS["engine"], subject)
    assert found["mounts"].verdict is BAD
    assert str(subject.configuration.storage.volumes_path) in found["mounts"].text


async def test_image_for_another_machine_is_told(double, subject):
    double.containers = [{"ImageID": "a", "Image": "web"}, {"ImageID": "b", "Image": "gone"}]
    double.images = {"a": {"Architecture": "arm64"}, "b": []}
    found = await look(visit.CHECKS["engine"], subject)
    assert found["images"].verdict is DOUBTFUL
    assert "web (arm64)" in found["images"].text


@pytest.mark.parametrize("version", [b"<html>", ["no engine"]])
async def test_doctor_is_red_where_the_socket_is_no_engine(double, subject, version):
    double.version = version
    found = await look(visit.CHECKS["engine"], subject)
    assert [(finding.name, finding.verdict) for finding in found.values()] == [("socket", BAD)]


async def test_engine_that_is_not_there_is_red(subject, tmp_path):
    found = await look(visit.CHECKS["engine"], subject)
    assert (found["socket"].verdict, "does not exist" in found["socket"].text) == (BAD, True)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "engine.sock"))
    found = await look(visit.CHECKS["engine"], subject)
    assert "cannot connect to" in found["socket"].text


async def test_socket_that_is_not_open_to_us_is_red_and_names_the_group(subject, tmp_path, monkeypatch):
    async def refuse(_path):
        await trio.lowlevel.checkpoint()
        raise PermissionError

    monkeypatch.setattr(trio, "open_unix_socket", refuse)
    found = await look(visit.CHECKS["engine"], subject)
    assert (
        found["socket"].mend
        == f"run lightd as root, or: usermod -aG docker <lightd's user>; {engine.WITHOUT}"
    )
    with socket.socket(socket.AF_UNIX) as there:
        there.bind(str(tmp_path / "engine.sock"))
        found = await look(visit.CHECKS["engine"], subject)
    assert found["socket"].mend.startswith("run lightd as root")


async def test_engine_that_hangs_is_a_red_line(double, subject):
    double.hanging = True
    (finding,) = await examine({"engine": visit.CHECKS["engine"]}, subject, seconds=0.2)
    assert (finding.verdict, finding.mend) == (BAD, engine.SLOW)
    assert finding.mend.startswith("if `docker version` does not answer either: ")


async def test_engine_that_is_slow_raises_no_alarm(double, subject, monkeypatch):
    slowly = engine._get

    async def get(http, path):
        await trio.sleep(0.5)
        return await slowly(http, path)

    monkeypatch.setattr(engine, "_get", get)
    monkeypatch.setattr(engine, "SKEW", 0.3)
    found = await examine({"engine": visit.CHECKS["engine"]}, subject, seconds=20)
    assert {finding.verdict for finding in found} <= {GOOD, DOUBTFUL}


async def test_check_that_found_something_before_it_took_too_long_is_slow_and_no_alarm(subject):
    async def slow(_subject, tell):
        tell(Area("engine").good("version", "Docker answers"))
        await trio.sleep_forever()

    first, last = await examine({"engine": Check(slow, "systemctl restart docker")}, subject, seconds=0.2)
    assert (first.verdict, last.verdict, last.mend) == (GOOD, UNSEEN, "")
    assert "may be too busy" in last.text


async def test_finding_gives_a_check_more_time(subject, autojump_clock):
    async def slow(_subject, tell):
        for n in range(5):
            await trio.sleep(9)
            tell(Area("storage").good(f"part {n}", "fine"))

    found = await examine({"storage": Check(slow, "")}, subject, seconds=10)
    assert [finding.verdict for finding in found] == [GOOD] * 5


async def test_ticks_that_the_machine_was_too_busy_for_do_not_count(subject):
    async def starved(_subject, tell):
        for _ in range(10):
            time.sleep(0.1)  # noqa: ASYNC251 - it keeps the loop from ticking in time
            await trio.lowlevel.checkpoint()
        await trio.sleep(0.01)
        tell(Area("engine").good("version", "Docker answers"))

    (finding,) = await examine({"engine": Check(starved, "")}, subject, seconds=0.6)
    assert finding.verdict is GOOD


async def test_checks_that_compute_run_after_those_that_wait(subject):
    order = []

    def check(name):
        async def look(_subject, _tell):
            await trio.sleep(0.05)
            order.append(name)

        return look

    await examine({"a": Check(check("computes"), "", computes=True), "b": Check(check("waits"), "")}, subject)
    assert order == ["waits", "computes"]


async def test_plain_http_on_a_public_address_is_a_warning(tmp_path):
    found = await look(visit.CHECKS["configuration"], a_subject(tmp_path, server={"host": "0.0.0.0"}))
    assert found["server.host"].verdict is DOUBTFUL
    assert "plain HTTP" in found["server.host"].text
    assert "server.host" not in await look(visit.CHECKS["configuration"], a_subject(tmp_path))


async def test_doctor_reads_the_configuration_where_the_service_has_it(tmp_path, monkeypatch):
    place = tmp_path / "lib" / "config.json"
    place.parent.mkdir()
    monkeypatch.setattr(config_file, "PLACES", (place,))
    monkeypatch.chdir(tmp_path)
    config_file.create(place)
    assert configuration.to_subject(None, {}).path == place
    place.unlink()
    assert configuration.to_subject(None, {}).path == tmp_path / "config.json"


async def test_process_engine_isolates_nothing_and_it_is_said(subject):
    docker = attrs.evolve(subject.configuration.docker, engine="process")
    configured = attrs.evolve(subject.configuration, docker=docker)
    found = await look(visit.CHECKS["engine"], attrs.evolve(subject, configuration=configured))
    assert (found["kind"].verdict, "provides no isolation" in found["kind"].text) == (DOUBTFUL, True)


# ---- the panel


@pytest.mark.parametrize("token", [True, False])
async def test_panel_findings_follow_its_token_and_its_answer(tmp_path, token):
    async with open_panel() as there:
        settings = there.settings() if token else there.settings(token="lightd_0123456789abcdef")
        found = await look(visit.CHECKS["panel"], a_subject(tmp_path, remote=settings))
        assert {finding.verdict for finding in found.values()} == ({GOOD} if token else {BAD})
        there.down()
        found = await look(visit.CHECKS["panel"], a_subject(tmp_path, remote=settings))
        assert found["url"].verdict is BAD
        assert "does not answer" in found["url"].text
    found = await look(visit.CHECKS["panel"], a_subject(tmp_path))
    assert found["url"].verdict is GOOD


async def test_panel_that_hangs_is_a_red_line_and_one_with_another_clock_too(tmp_path):
    async def hang(_request):
        await trio.lowlevel.checkpoint()
        return HANG

    async def late(_request):
        await trio.lowlevel.checkpoint()
        date = ("Date", "Thu, 01 Jan 2026 00:00:00 GMT")
        return Answer(body={"status": 200, "endpoint": "active"}, headers=(date,))

    async with open_panel(hang) as there:
        subject = a_subject(tmp_path, remote=there.settings())
        (finding,) = await examine({"panel": visit.CHECKS["panel"]}, subject, seconds=0.2)
        assert finding.verdict is BAD
    async with open_panel(late) as there:
        found = await look(visit.CHECKS["panel"], a_subject(tmp_path, remote=there.settings()))
        assert (found["url"].verdict, found["clock"].verdict) == (GOOD, BAD)


# ---- storage and the journal


async def test_folder_that_lightd_made_is_all_green(tmp_path):
    async with open_api(tmp_path) as api:
        await api.create()
    found = await look(visit.CHECKS["storage"], a_subject(tmp_path, storage={"quota": "accounted"}))
    assert {finding.verdict for finding in found.values()} <= {GOOD, DOUBTFUL}
    assert found["quota"].verdict is GOOD
    assert "no damage; no daemon has it open" in found["journal"].text
    assert {path.name for path in (tmp_path / "storage").glob("lightd.db*")} == {
        "lightd.db",
        "lightd.db.lock",
    }


async def test_journal_of_a_daemon_that_runs_is_read_beside_it(tmp_path):
    async with open_api(tmp_path) as api:
        await api.create()
        found = await look(visit.CHECKS["storage"], a_subject(tmp_path))
        assert f"process {os.getpid()} has it open" in found["journal"].text
        assert found["journal"].verdict is GOOD
        assert (await api.post("/volumes", status=201))["volume_id"]


async def test_folder_before_the_first_start_is_green(tmp_path):
    found = await look(visit.CHECKS["storage"], a_subject(tmp_path))
    assert found["journal"].verdict is GOOD
    assert found["storage.base_path"].text.endswith("is created at the first start")


async def test_damaged_journal_is_red(tmp_path):
    async with open_api(tmp_path) as api:
        await api.create()
    path = tmp_path / "storage/lightd.db"
    content = bytearray(path.read_bytes())
    content[4096 : 4096 * 3] = b"\xff" * 8192
    path.write_bytes(content)
    found = await look(visit.CHECKS["storage"], a_subject(tmp_path))
    assert found["journal"].verdict is BAD
    assert "damaged" in found["journal"].text
    path.write_bytes(b"no database at all" * 100)
    assert inspection.inspect(path, 1).damage == "file is not a database"
    with pytest.raises(inspection.JournalUnreadable):
        inspection.read_pool(path)


async def test_folder_that_is_a_file_or_everybodys_is_red(tmp_path):
    (tmp_path / "storage").write_text("")
    found = await look(visit.CHECKS["storage"], a_subject(tmp_path))
    assert found["storage.base_path"].verdict is BAD
    (tmp_path / "storage").unlink()
    (tmp_path / "storage").mkdir()
    (tmp_path / "storage").chmod(0o777)
    found = await look(visit.CHECKS["storage"], a_subject(tmp_path))
    assert found["storage.base_path"].verdict is BAD


async def test_folders_that_can_not_be_looked_into_are_red_and_not_a_check_that_broke(tmp_path):
    hidden = tmp_path / ("x" * 300)
    found = await look(visit.CHECKS["storage"], a_subject(tmp_path, storage={"base_path": str(hidden / "s")}))
    assert "check" not in found
    assert found["quota"].name == "quota"


async def test_folder_that_leads_nowhere_is_red(tmp_path):
    (tmp_path / "storage").symlink_to("nowhere")
    found = await look(visit.CHECKS["storage"], a_subject(tmp_path))
    assert found["storage.base_path"].verdict is BAD


def test_journal_that_is_long_is_looked_at_for_a_while_only(tmp_path):
    path = tmp_path / "lightd.db"
    with closing(sqlite3.connect(path)) as made:
        made.execute("CREATE TABLE records (position INTEGER PRIMARY KEY, at REAL, data BLOB)")
        made.executemany("INSERT INTO records (at, data) VALUES (?, ?)", [(1.5, b"x" * 50)] * 20_000)
        made.execute(f"PRAGMA user_version = {SCHEMA}")
        made.commit()
    looked = inspection.inspect(path, -1.0)
    assert (looked.complete, looked.damage, looked.records, looked.last_at) == (False, None, 20_000, 1.5)
    assert inspection.inspect(path, 10.0).complete


def test_journal_that_is_not_there_or_not_open_to_us_says_so(tmp_path, monkeypatch):
    with pytest.raises(inspection.JournalUnreadable, match="the file does not exist"):
        inspection.inspect(tmp_path / "lightd.db", 1)
    (tmp_path / "lightd.db").write_bytes(b"")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(inspection.JournalUnreadable, match="permission denied"):
        inspection.inspect(tmp_path / "lightd.db", 1)
    (finding,) = storage._read_journal(config.Storage(tmp_path), a_subject(tmp_path))
    assert finding.verdict is UNSEEN


def test_folder_that_can_not_be_opened_as_a_database_says_so(tmp_path):
    (tmp_path / "lightd.db").mkdir()
    with pytest.raises(inspection.JournalUnreadable):
        inspection.inspect(tmp_path / "lightd.db", 1)


def test_pool_that_is_hidden_from_us_counts_as_none(tmp_path, monkeypatch):
    def refuse(_path):
        raise PermissionError

    monkeypatch.setattr(storage.os.path, "ismount", refuse)
    (finding,) = storage._read_quota(config.Storage(tmp_path), a_subject(tmp_path))
    assert finding.name == "quota"


def test_journal_without_a_lock_has_no_holder(tmp_path):
    assert inspection.holder(tmp_path / "lightd.db") is None


# ---- ports


async def test_ports_of_a_daemon_that_runs_are_green(tmp_path):
    async with open_api(tmp_path) as api:
        await api.port(25565)
        server = {"host": "0.0.0.0", "port": int(api.url.rpartition(":")[2])}
        found = await look(visit.CHECKS["ports"], a_subject(tmp_path, server=server))
        assert found["server.port"].verdict is GOOD
        assert "answers at" in found["server.port"].text
        assert found["pool"].text.startswith("1 ports in the pool, 1 free")
        other = {"enabled": True, "token": "lightd_another_token_altogether"}
        found = await look(visit.CHECKS["ports"], a_subject(tmp_path, server=server, authorization=other))
        assert found["token"].verdict is BAD
        assert "pool" in found, "the journal knows it as well"


async def test_port_of_the_pool_that_somebody_has_is_red_whether_the_daemon_runs_or_not(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with open_api(tmp_path) as api:
            await api.port(port)
            server = {"host": "127.0.0.1", "port": int(api.url.rpartition(":")[2])}
            running = (await look(visit.CHECKS["ports"], a_subject(tmp_path, server=server)))["pool"]
        resting = (await look(visit.CHECKS["ports"], a_subject(tmp_path)))["pool"]
    for finding in (running, resting):
        assert finding.verdict is BAD
        assert f"127.0.0.1:{port}/tcp by " in finding.text
        assert f"({os.getpid()})" in finding.text
    assert (await look(visit.CHECKS["ports"], a_subject(tmp_path)))["pool"].verdict is GOOD


async def test_lightds_own_port_in_the_hands_of_another_is_red(tmp_path):
    async def answer(stream):
        await stream.receive_some(65536)
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, answer, 0, host="127.0.0.1"))
        port = listener.socket.getsockname()[1]
        found = await look(
            visit.CHECKS["ports"], a_subject(tmp_path, server={"host": "127.0.0.1", "port": port})
        )
        nursery.cancel_scope.cancel()
    assert found["server.port"].verdict is BAD
    assert f"({os.getpid()})" in found["server.port"].text


async def test_certificate_that_is_not_for_this_name_is_unseen(tmp_path, monkeypatch):
    def refuse(*_args, **_settings):
        raise Trouble(3, "cannot connect to the daemon at https://127.0.0.1:1: CERTIFICATE_VERIFY_FAILED")

    monkeypatch.setattr(Client, "ask", refuse)
    found = await look(visit.CHECKS["ports"], a_subject(tmp_path))
    assert found["server.port"].verdict is UNSEEN


async def test_lightds_own_port_that_is_free_is_green(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    found = await look(visit.CHECKS["ports"], a_subject(tmp_path, server={"host": "127.0.0.1", "port": port}))
    assert (found["server.port"].verdict, found["pool"].verdict) == (GOOD, GOOD)
    found = await look(visit.CHECKS["ports"], a_subject(tmp_path, server={"host": "127.0.0.1", "port": 0}))
    assert found["server.port"].verdict is GOOD


async def test_address_that_this_machine_does_not_have_is_red(tmp_path, monkeypatch):
    found = await look(
        visit.CHECKS["ports"], a_subject(tmp_path, server={"host": "127.0.0.1", "port": free_port()})
    )
    assert found["server.port"].verdict is GOOD
    subject = a_subject(tmp_path, server={"host": "192.0.2.1", "port": 18_099})

    async def ask(*_args, **_settings):
        raise AssertionError("the token is for nobody else")

    monkeypatch.setattr(Client, "ask", ask)
    found = await look(visit.CHECKS["ports"], subject)
    assert (found["server.host"].verdict, found["pool"].verdict) == (BAD, GOOD)
    monkeypatch.setattr(ports, "_try_bind", lambda *_: errno.EACCES)
    assert "only root can use port" in ports._to_own(subject, [], "", silent=False).text
    monkeypatch.setattr(ports, "_try_bind", lambda *_: errno.EADDRINUSE)
    assert "Address already in use" in ports._to_own(subject, [], "", silent=False).text


async def test_lightds_own_port_in_silent_hands_is_red_and_says_whose_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr(ports, "PATIENCE", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = {"host": "127.0.0.1", "port": silent.getsockname()[1]}
        found = await look(visit.CHECKS["ports"], a_subject(tmp_path, server=server))
    assert found["server.port"].verdict is BAD
    assert f"({os.getpid()})" in found["server.port"].text
    assert "ss -ltnp" in found["server.port"].mend


async def test_pool_that_can_not_be_read_is_unseen(tmp_path):
    (tmp_path / "storage").mkdir()
    (tmp_path / "storage/lightd.db").write_bytes(b"no database at all" * 100)
    found = await look(visit.CHECKS["ports"], a_subject(tmp_path, server={"host": "127.0.0.1", "port": 0}))
    assert found["pool"].verdict is UNSEEN


def test_kernel_without_those_tables_has_no_listeners(tmp_path):
    assert listeners.read(tmp_path) == []
    assert listeners.to_owner(tmp_path, [1]) is None


# ---- clock, limits, software


async def test_doctor_checks_the_clock_limits_and_software_of_this_machine(tmp_path):
    subject = a_subject(tmp_path)
    for check in ("clock", "limits", "software"):
        found = await look(visit.CHECKS[check], subject)
        assert found, check
        assert UNSEEN not in {finding.verdict for finding in found.values()} or check != "limits"


async def test_daemon_that_runs_has_its_own_limits(tmp_path):
    async with open_api(tmp_path):
        found = await look(visit.CHECKS["limits"], a_subject(tmp_path))
    assert found["files"].text.startswith("the running daemon can open")


async def test_kernel_that_tells_nothing_is_unseen(tmp_path):
    subject = attrs.evolve(a_subject(tmp_path), proc=tmp_path / "proc")
    found = await look(visit.CHECKS["limits"], subject)
    assert found["kernel.pid_max"].verdict is UNSEEN
    assert limits._of_process(tmp_path / "limits") is None


def test_clock_whose_kernel_refuses_is_unseen(monkeypatch):
    class Refusing:
        def __init__(self, *_args, **_settings):
            self.adjtimex = lambda _told: -1

    monkeypatch.setattr(clock.ctypes, "CDLL", Refusing)
    assert clock.status() is None


def test_lightd_that_was_never_installed_is_unseen(monkeypatch):
    def missing(name):
        raise software.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(software.importlib.metadata, "requires", missing)
    monkeypatch.setattr(software.importlib.metadata, "version", missing)
    assert [finding.verdict for finding in software._read()] == [UNSEEN]
    assert software.installed("rich") is None


# ---- the configuration


@pytest.mark.parametrize(
    ("engine", "user", "red"),
    [
        ("docker", "1000:7", False),
        ("docker", "1001:100", True),
        ("process", "1000:100", False),
        ("process", "1000:7", True),
    ],
)
async def test_user_that_no_server_of_an_ordinary_user_can_be_is_red(tmp_path, engine, user, red):
    subject = a_subject(tmp_path, docker={"engine": engine, "user": user})
    found = await look(configuration, attrs.evolve(subject, uid=1000, gid=100))
    assert ("docker.user" in found) == red
    if red:
        assert (found["docker.user"].verdict, '"1000:100"' in found["docker.user"].mend) == (BAD, True)
    assert "docker.user" not in await look(configuration, attrs.evolve(subject, uid=0))


async def told_of(path):
    found = []
    await configuration.look(configuration.to_subject(str(path), {}), found.append)
    return found


async def test_file_in_order_is_green(tmp_path):
    config_file.create(tmp_path / "config.json")
    assert [finding.verdict for finding in await told_of(tmp_path / "config.json")] == [GOOD]


async def test_every_mistake_is_red_and_named_by_its_key(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"authorization": {"token": "x"}, "server": {"port": "abc"}}))
    path.chmod(0o600)
    found = await told_of(path)
    assert [(finding.name, finding.verdict) for finding in found] == [
        ("server.port", BAD),
        ("authorization.token", BAD),
    ]
    path.write_text("{")
    (finding,) = await told_of(path)
    assert (finding.name, finding.mend) == ("file", f"edit {path}")


async def test_file_that_is_open_to_others_is_red_with_the_command(tmp_path):
    path = tmp_path / "config.json"
    config_file.create(path)
    path.chmod(0o644)
    (finding,) = await told_of(path)
    assert (finding.verdict, finding.mend) == (BAD, f"chmod 600 {path}")


async def test_file_that_is_not_open_to_us_is_unseen(tmp_path, monkeypatch):
    path = tmp_path / "config.json"
    path.write_text("{")
    path.chmod(0o600)
    monkeypatch.setattr(os, "access", lambda *_: False)
    (finding,) = await told_of(path)
    assert finding.verdict is UNSEEN


async def test_no_file_yet_is_doubtful_and_none_is_made(tmp_path):
    (finding,) = await told_of(tmp_path / "config.json")
    assert finding.verdict is DOUBTFUL
    assert not (tmp_path / "config.json").exists()
    assert [finding.verdict for finding in await told_of(tmp_path / "nowhere/config.json")] == [BAD]


# ---- all at once


async def test_check_that_breaks_or_hangs_is_one_line_and_the_others_go_on(subject):
    async def breaks(_subject, _tell):
        await trio.lowlevel.checkpoint()
        raise LookupError("oops")

    async def hangs(_subject, _tell):
        await trio.sleep_forever()

    checks = {
        "one": Check(breaks, "mend one"),
        "two": Check(hangs, "mend two"),
        "panel": Check(panel.look, "mend three"),
    }
    found = await examine(checks, subject, seconds=0.2)
    assert [(finding.area, finding.verdict) for finding in found] == [
        ("one", UNSEEN),
        ("two", BAD),
        ("panel", GOOD),
    ]
    assert "LookupError: oops" in found[0].text
    assert found[1].mend == "mend two"


async def test_doctor_without_a_configuration_checks_only_what_needs_none(tmp_path):
    subject = Subject(tmp_path / "config.json", None, ("server.port: must be a number",), now=time.time())
    found = await examine(visit.CHECKS, subject)
    unseen = {finding.area for finding in found if finding.name == "configuration"}
    assert unseen == {"engine", "storage", "ports", "panel"}
    assert {finding.area for finding in found} == set(visit.CHECKS)


async def test_command_is_code_1_where_something_is_red(tmp_path, double):
    settings = {
        "docker": {"socket_path": str(tmp_path / "engine.sock")},
        "server": {"host": "127.0.0.1", "port": free_port()},
    }
    path = tmp_path / "config.json"
    write_file(path, a_file(tmp_path, **settings))
    shell = Shell("", tmp_path)
    (tmp_path / "storage/volumes").mkdir(parents=True)
    for seen, code in ((True, 0), (False, 1)):
        double.seen = seen
        job = Job()
        await shell.doctor(job, "--config", str(path))
        assert job.code == code, job.told
        job = Job()
        await shell.doctor(job, "--config", str(path), "--json")
        said = json.loads(job.out.getvalue())
        assert (job.code, said["healthy"]) == (code, not code)
        assert TOKEN not in job.out.getvalue()


# ---- over the API


async def test_report_over_the_api_is_about_the_running_node(api):
    report = await api.get("/node/doctor")
    found = {(each["area"], each["name"]): each for each in report["findings"]}
    assert {area for area, _ in found} == set(visit.CHECKS)
    assert found["configuration", "file"]["verdict"] == "ok"
    assert str(api.system.path) in found["configuration", "file"]["text"]
    assert sum(report["counts"].values()) == len(report["findings"])
    assert report["healthy"] == (report["counts"]["bad"] == 0)


async def test_report_over_the_api_is_about_the_file_as_it_is_now(api):
    api.rewrite(server={"port": "x"})
    report = await api.get("/node/doctor")
    (wrong,) = [each for each in report["findings"] if each["name"] == "server.port"]
    assert (wrong["verdict"], report["healthy"]) == ("bad", False)
    assert wrong["mend"] == f"server.port in {api.system.path}"


async def test_report_over_the_api_needs_a_file_and_a_process_that_ends_well(api, monkeypatch):
    monkeypatch.setattr(doctor, "_COMMAND", (sys.executable, "-c", "raise SystemExit(3)"))
    failed = await api.ask("GET", "/node/doctor")
    assert (failed.status_code, failed.json()["code"]) == (500, "internal_error")
    api.system.path = None
    assert (await api.refused("GET", "/node/doctor"))[:2] == (400, "invalid_configuration")


async def test_process_of_a_report_ends_with_its_client(tmp_path, monkeypatch):
    program = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(1000)"
    monkeypatch.setattr(doctor, "_COMMAND", (sys.executable, "-c", program))
    pid = tmp_path / "pid"
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(doctor.examine, pid)
            while not (pid.exists() and pid.read_text()):
                await trio.sleep(0.02)
            nursery.cancel_scope.cancel()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_verdicts_of_the_api_are_those_of_the_command():
    assert tuple(verdict.value for verdict in Verdict) == doctor.VERDICTS
