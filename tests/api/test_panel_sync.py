"""A daemon and its panel, both real: updates, their backlog, and the exchange of configurations."""

import attrs
import pytest
import trio

from actors.kernel.backoff import Backoff
from actors.remotesync import panel as remotesync
from lightd.api import panel_exchange
from lightd.api.container_fields import ContainerBody, to_request
from lightd.api.specs import to_spec
from lightd.http.wire import read
from lightd.panel import exchange
from lightd.panel.http import HttpPanel
from lightd.validation.reading import fields_of
from tests.api.front import open_api
from tests.support.doubles.panel import CUT, HANG, NOISE, Answer, behave, open_panel
from tests.support.fake_engine import engine

pytestmark = pytest.mark.one_python

BODY = ", ".join(field.key for field in fields_of(ContainerBody))


@pytest.fixture
async def panel():
    async with open_panel() as panel:
        yield panel


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    monkeypatch.setattr(exchange, "DEBOUNCE", 0.02)
    monkeypatch.setattr(remotesync, "BACKOFF", Backoff(0.02, 60.0, (1.0, 0.5)))


async def until(condition):
    with trio.fail_after(20):
        while not condition():
            await trio.sleep(0.01)


def statuses(panel, server="s1"):
    return [request.body.get("status", request.body.get("error")) for request in panel.by_server()[server]]


def open_connected(folder, panel, **settings):
    return open_api(folder, sections={"remote": panel.settings(**settings)})


# Updates


async def test_panel_is_told_of_an_installation(tmp_path, panel):
    async with open_connected(tmp_path, panel) as api:
        await api.create(install_script="echo hello")
        await until(lambda: "ready" in statuses(panel))
        assert statuses(panel) == ["installing", "installing", "ready"]
        events = (await api.get("/containers/s1/events"))["events"]
        seqs = {event["type"]: event["seq"] for event in events}
        assert [request.event_id for request in panel.accepted] == [
            f"api-{seqs[name]}" for name in ("created", "script-finished", "installed")
        ]
        await until(lambda: api.system.remote_status.backlog == 0)
        await until(lambda: api.system.remote_status.healthy)
        status = await api.get("/remote/status")
    assert status["enabled"] is status["healthy"] is True
    assert status["backlog"] == 0
    assert status["oldest_pending_at"] is None
    assert status["cursor"] >= seqs["installed"]
    assert status["last_error"] is None


async def test_panel_is_told_of_a_failure_and_why(tmp_path, panel):
    async with open_connected(tmp_path, panel) as api:
        body = await api.a_body(install_script="exit 3")
        await api.post("/containers", body, wait=20, status=409)
        await until(lambda: len(panel.accepted) == 3)
    assert statuses(panel) == ["installing", "failed", "failed"]
    assert panel.accepted[-1].body["data"]
    assert panel.accepted[-1].event_id == f"{panel.accepted[-2].event_id}.1"


@pytest.mark.parametrize(
    "bad",
    [
        Answer(500),
        Answer(503),
        Answer(429, headers=(("Retry-After", "0"),)),
        Answer(302),
        Answer(200, b"<html>hello</html>"),
        Answer(200, {"success": False}),
        CUT,
        NOISE,
    ],
    ids=str,
)
async def test_panel_on_a_bad_day_is_told_all_the_same(tmp_path, panel, bad):
    tries = 0

    async def react(request):
        nonlocal tries
        if request.path == "/api/update":
            tries += 1
            if tries <= 2:
                return bad
        return await behave(request)

    panel.react = react
    async with open_connected(tmp_path, panel) as api:
        await api.create()
        await until(lambda: api.system.remote_status.cursor == api.system.bus.head)
        await until(lambda: api.system.remote_status.backlog == 0)
    told = [request.event_id for request in panel.accepted if request.body.get("status")]
    by_position = sorted(set(told), key=lambda each: int(each.removeprefix("api-")))
    assert sorted(set(told), key=told.index) == by_position
    assert statuses(panel)[-1] == "ready"


async def test_panel_that_was_down_at_the_start_and_over_a_restart_hears_of_it_all(tmp_path, panel):
    panel.down()
    async with open_connected(tmp_path, panel) as api:
        await api.create("a")
        await api.create("b")
        assert (await api.get("/remote/status"))["backlog"] == 6
        assert (await api.get("/remote/status"))["healthy"] is False
    async with open_connected(tmp_path, panel) as api:
        await until(lambda: api.system.remote_status.backlog == 6)
        assert panel.accepted == []
        await panel.up()
        await until(lambda: api.system.remote_status.backlog == 0)
    for server in "ab":
        assert statuses(panel, server) == ["installing", "installing", "ready"]


async def test_panel_that_refuses_is_passed_by(tmp_path, panel):
    async def react(request):
        return (
            Answer(404, {"error": "no such server"}) if "/update" in request.path else await behave(request)
        )

    panel.react = react
    async with open_connected(tmp_path, panel) as api:
        await api.create()
        await until(lambda: api.system.remote_status.refused == 3)
        status = await api.get("/remote/status")
    assert status["refused"] == 3
    assert status["last_error"] == "the panel answered 404"


async def test_panel_is_enabled_moved_and_disabled_while_the_daemon_runs(tmp_path, panel):
    async with open_api(tmp_path) as api, open_panel() as other:
        await api.create("before")
        await api.reload(remote=panel.settings())
        await until(lambda: api.system.remote_status.healthy)
        await api.create("first")
        await until(lambda: "ready" in statuses(panel, "first"))
        assert statuses(panel, "before") == []
        await api.reload(remote=other.settings())
        await api.create("second")
        await until(lambda: "ready" in statuses(other, "second"))
        assert statuses(panel, "second") == []
        assert (await api.reload())["applied"] == ["remote.enabled", "remote.url", "remote.token"]
        await api.create("third")
        assert (await api.get("/remote/status"))["enabled"] is False
        await api.reload(remote=other.settings(catch_up="latest"))
        await until(lambda: "ready" in statuses(other, "third"))
        assert statuses(other, "third") == ["ready"]


async def test_panel_that_hangs_on_everything_is_noticed_by_no_container(tmp_path, panel):
    async def react(_request):
        return HANG

    panel.react = react
    async with open_connected(tmp_path, panel, sync_config=True) as api:
        await api.running()
        await api.power("stop")
        await api.call("DELETE", "/containers/s1")


async def test_bug_that_comes_again_and_again_is_shown_and_new_settings_begin_anew(
    tmp_path, panel, monkeypatch
):
    async def broken(*_):
        raise RuntimeError("a bug")

    with monkeypatch.context() as patched:
        patched.setattr(HttpPanel, "update", broken)
        async with open_connected(tmp_path, panel) as api:
            await api.create()
            await until(lambda: "crashed repeatedly" in (api.system.remote_status.last_error or ""))
            assert (await api.get("/remote/status"))["healthy"] is False
            assert (await api.power("start"))["status"] == "succeeded"
            patched.undo()
            await api.reload(remote=panel.settings(catch_up="latest"))
            await until(lambda: "ready" in statuses(panel))


# Configurations


class Office:
    """A panel that has a configuration of its own, and keeps what it is given."""

    def __init__(self, panel, document=None):
        self.document = document
        self.given = []
        self.status = 200
        self.asked = 0
        panel.react = self.react

    async def react(self, request):
        if request.path != "/api/config":
            return await behave(request)
        if self.status != 200:
            return Answer(self.status)
        if request.method == "POST":
            self.given.append(request.body)
            return Answer()
        self.asked += 1
        return Answer(404, {}) if self.document is None else Answer(200, self.document)


async def test_container_that_only_the_panel_has_is_created(tmp_path, panel):
    office = Office(panel)
    async with open_connected(tmp_path, panel, sync_config=True) as api:
        await until(lambda: len(office.given) == 1)
        assert office.given == [{"containers": [], "settings": {"node": "api", "version": "0.1.0"}}]
        bodies = [await api.a_body("a", install_script="echo hello"), await api.a_body("b")]
        office.document = {"containers": bodies, "settings": {"theme": "dark"}}
        await api.reload(remote=panel.settings(sync_config=True))
        await until(lambda: {row.internal_id for row in api.system.fleet} == {"a", "b"})
        await until(lambda: "ready" in statuses(panel, "a"))
        await until(lambda: [len(given["containers"]) for given in office.given][-1] == 2)
        status = (await api.get("/remote/status"))["config"]
    assert status["conflicts"] == []
    assert status["pulled_at"] <= status["pushed_at"]


async def test_image_that_was_edited_is_sent_to_the_panel(tmp_path, panel):
    office = Office(panel)
    async with open_connected(tmp_path, panel, sync_config=True) as api:
        await api.create("a")
        await api.call("PATCH", "/containers/a", {"image": "newer:1", "pull": "always"})
        await until(
            lambda: (
                [(entry["image"], entry["pull"]) for entry in office.given[-1]["containers"]]
                == [("newer:1", "always")]
                if office.given
                else False
            )
        )


async def test_image_of_the_panel_that_is_no_name_is_a_conflict_that_names_the_field(tmp_path, panel):
    office = Office(panel, {"containers": []})
    async with open_connected(tmp_path, panel, sync_config=True) as api:
        entry = {**await api.a_body("a"), "image": "x/../../containers/y"}
        office.document = {"containers": [entry]}
        await api.reload(remote=panel.settings(sync_config=True))
        await until(lambda: api.system.exchanged.conflicts)
        (conflict,) = api.system.exchanged.conflicts
    assert conflict.internal_id == "a"
    assert conflict.reason.startswith("image: must be the name of an image")


async def test_panel_entry_that_can_not_be_applied_is_reported_and_changes_nothing(tmp_path, panel, caplog):
    office = Office(panel, {"containers": []})
    async with open_connected(tmp_path, panel, sync_config=True) as api:
        await api.create("same", ports=[])
        await api.create("other", start_pattern="Ready")
        await api.create("ours")
        same = to_request(api.system.fleet.get("same").state.spec)
        del same["user"]
        other = {**to_request(api.system.fleet.get("other").state.spec), "image": "another", "tty": False}
        office.document = {
            "containers": [
                {**(await api.a_body("no-volume")), "volume_id": "00000000-0000-0000-0000-000000000000"},
                same,
                other,
                await api.a_body("no-port", ports=[{"ip": "127.0.0.1", "port": 1}]),
                await api.a_body("forbidden", mount={"/x": "/etc"}),
                {**(await api.a_body("unknown")), "colour": "red"},
                "nothing",
                await api.a_body("new"),
            ]
        }
        await api.reload(remote=panel.settings(sync_config=True))
        await until(lambda: api.system.fleet.get("new") is not None)
        conflicts = (await api.get("/remote/status"))["config"]["conflicts"]
        assert {row.internal_id for row in api.system.fleet} == {"same", "other", "ours", "new"}
    assert conflicts == [
        {"internal_id": "no-volume", "reason": "no such volume"},
        {"internal_id": "other", "reason": "it is here with something else in image, tty"},
        {
            "internal_id": "no-port",
            "reason": "Port not found in pool: 127.0.0.1:1/tcp; add it first: POST /network/ports",
        },
        {
            "internal_id": "forbidden",
            "reason": "mount: the host path of /x is not in docker.allowed_mounts",
        },
        {"internal_id": "unknown", "reason": f"colour: unknown field (known here: {BODY})"},
        {"internal_id": None, "reason": "the body must be a JSON object"},
    ]
    assert (
        "conflict with the panel's configuration: container other: it is here with something else"
        in caplog.text
    )


@pytest.mark.parametrize("document", [[], {"containers": {}}, "x"])
async def test_configuration_that_is_none_is_told(tmp_path, panel, document):
    Office(panel, document)
    async with open_connected(tmp_path, panel, sync_config=True) as api:
        await until(lambda: api.system.exchanged.conflicts)
        (conflict,) = api.system.exchanged.conflicts
    assert conflict.reason == "the panel's configuration has no list of containers"


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"containers": [0] * 60_000}, "has 60000 containers, more than 2000"),
        ({"containers": [0] * 1_000_000}, "has more than 8388608 bytes or 250000 values"),
        ({"containers": ["x" * 9_000_000]}, "has more than 8388608 bytes or 250000 values"),
    ],
)
async def test_configuration_that_is_too_large_is_told_and_harms_nobody(tmp_path, panel, document, reason):
    Office(panel, document)
    async with open_connected(tmp_path, panel, sync_config=True) as api:
        await until(lambda: api.system.exchanged.conflicts)
        [conflict] = api.system.exchanged.conflicts
        assert (await api.get("/remote/status"))["config"]["pulled_at"]
    assert conflict.reason == f"the panel's configuration {reason}"


async def test_conflicts_with_the_panel_are_remembered_up_to_a_hundred_while_others_go_on(
    tmp_path, panel, caplog
):
    Office(panel, {"containers": [*[0] * 1000, {"x" * 5000: 1}, *[0] * 999]})
    turns = []

    async def watch(api):
        while api.system.exchanged.pulled_at is None:
            await trio.lowlevel.checkpoint()
        while len(api.system.exchanged.conflicts) < panel_exchange.MOST_CONFLICTS:
            turns.append(len(api.system.exchanged.conflicts))
            await trio.lowlevel.checkpoint()

    async with open_connected(tmp_path, panel, sync_config=True) as api:
        with trio.fail_after(60):
            await watch(api)
        assert len(api.system.exchanged.conflicts) == panel_exchange.MOST_CONFLICTS
        shown = (await api.get("/remote/status"))["config"]["conflicts"]
    assert len(set(turns)) > 50  # it was one's turn while they were looked at
    assert len(shown) == 100
    assert max(len(each["reason"]) for each in shown) <= exchange.LONGEST_REASON
    assert caplog.text.count("conflict with the panel's configuration") == 100


async def test_many_changes_in_a_row_are_given_once_and_power_is_no_change(tmp_path, panel, monkeypatch):
    monkeypatch.setattr(exchange, "DEBOUNCE", 2.0)  # each creation is well within it, on a busy machine too
    office = Office(panel)
    async with open_connected(tmp_path, panel, sync_config=True) as api:
        await until(lambda: len(office.given) == 1)
        for number in range(5):
            await api.create(f"s{number}")
        await until(lambda: len(office.given[-1]["containers"]) == 5)
        assert len(office.given) <= 4
        count = len(office.given)
        await api.power("start", "s1")
        await api.power("kill", "s1")
        await trio.sleep(2.5)
        assert len(office.given) == count
        await api.call("DELETE", "/containers/s1")
        await until(lambda: len(office.given[-1]["containers"]) == 4)


async def test_panel_that_is_away_is_asked_and_given_later(tmp_path, panel, caplog):
    office = Office(panel, {"containers": []})
    office.status = 503
    async with open_connected(tmp_path, panel, sync_config=True) as api:
        await until(
            lambda: "cannot exchange configurations with the panel: the panel answered 503" in caplog.text
        )
        panel.down()
        await api.create()
        office.status = 200
        await panel.up()
        await until(lambda: office.given and office.given[-1]["containers"])
        assert office.asked == 1


async def test_panel_that_does_without_configurations_is_left_alone(tmp_path, panel):
    office = Office(panel)
    office.status = 405
    async with open_connected(tmp_path, panel, sync_config=True) as api:
        await until(lambda: [r.method for r in panel.requests if r.path == "/api/config"] == ["GET", "POST"])
        assert api.system.exchanged.pushed_at is None
        await trio.sleep(0.3)
    assert len([request for request in panel.requests if request.path == "/api/config"]) == 2


async def test_configuration_is_not_exchanged_without_sync_config(tmp_path, panel):
    async with open_connected(tmp_path, panel) as api:
        await api.create()
        await until(lambda: "ready" in statuses(panel))
        await trio.sleep(0.1)
    assert {request.path for request in panel.requests} == {"/api/update", "/api/health"}


async def test_engine_that_is_away_is_waited_for_before_a_container_is_created(tmp_path, panel):
    office = Office(panel, {"containers": []})
    async with open_connected(tmp_path, panel, sync_config=True) as api:
        office.document = {"containers": [await api.a_body("a")]}
        api.system.fleet.engine_up.set(value=False)
        await api.reload(remote=panel.settings(sync_config=True))
        await until(lambda: office.asked == 2)
        await trio.sleep(0.1)
        assert api.system.fleet.get("a") is None
        api.system.fleet.engine_up.set(value=True)
        await until(lambda: api.system.fleet.get("a") is not None)


async def test_spec_comes_back_from_the_entry_that_is_given_of_it(tmp_path):
    async with open_api(tmp_path) as api:
        await api.port(25565)
        (tmp_path / "allowed").mkdir()
        await api.create(
            "full",
            install_script="echo x",
            environment={"A": "b"},
            limits={"memory": 1024**3, "cpu": 1.5},
            mount={
                "/custom": str(tmp_path / "allowed"),
                "/fixed": {"source": str(tmp_path / "allowed"), "read_only": True},
            },
            ports=[{"ip": "127.0.0.1", "port": 25565, "container_port": 80}],
            stop={"type": "command", "value": "stop", "timeout": 7},
            start_pattern="Ready",
            tty=False,
        )
        await api.create("bare")
        for internal_id in ("full", "bare"):
            spec = api.system.fleet.get(internal_id).state.spec
            body = read(ContainerBody, to_request(spec))
            assert await to_spec(body, api.system.config.docker) == spec
    assert attrs.evolve(spec, image=engine.RIG_IMAGE) == spec


# Starts, stops and crashes


def runs(panel, server="s1"):
    bodies = [request.body for request in panel.by_server()[server]]
    return [(body["event"], body.get("code")) for body in bodies if body["event"] != "update"]


async def test_panel_is_told_of_starts_stops_and_crashes_if_it_asks_for_them(tmp_path, panel):
    async with open_connected(tmp_path, panel, events=True) as api:
        await api.running()
        await api.power("stop")
        await api.power("start")
        await api.power("kill")
        await until(lambda: len(runs(panel)) == 4)
        assert runs(panel) == [("start", None), ("stop", 143), ("start", None), ("stop", 137)]
        assert statuses(panel)[:3] == ["installing", "installing", "ready"]


async def test_panel_that_does_not_ask_is_told_of_none(tmp_path, panel):
    async with open_connected(tmp_path, panel) as api:
        await api.running()
        await api.power("stop")
        await until(lambda: api.system.remote_status.backlog == 0 and statuses(panel)[-1:] == ["ready"])
        assert runs(panel) == []
        api.rewrite(remote=panel.settings(events=True))
        assert "remote.events" in (await api.post("/remote/config/reload"))["applied"]
        await api.power("start")
        await until(lambda: runs(panel) == [("start", None)])


async def test_crash_is_told_with_its_code_and_its_reason(tmp_path, panel):
    async with open_connected(tmp_path, panel, events=True) as api:
        await api.create(command="echo broken; exit 3", start_pattern="never")
        await api.power("start", status=409)
        await until(lambda: len(runs(panel)) == 2)
        assert runs(panel) == [("start", None), ("crash", 3)]
        (crash,) = [each.body for each in panel.accepted if each.body["event"] == "crash"]
        assert crash["data"] == "the process ended with exit code 3"
        assert crash["oom_killed"] is False


async def test_newest_run_is_sent_beside_the_newest_update(tmp_path, panel):
    async with open_connected(tmp_path, panel, events=True, catch_up="latest") as api:
        await until(lambda: api.system.remote_status.healthy)
        panel.down()
        await api.running()
        for action in ("stop", "start", "stop"):
            await api.power(action)
        await panel.up()
        await until(lambda: runs(panel)[-1:] == [("stop", 143)] and statuses(panel).count("ready") == 1)
        await until(lambda: api.system.remote_status.backlog == 0)
        assert len(runs(panel)) < 6
