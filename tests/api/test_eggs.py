"""Eggs over the API: importing, checking, exporting and deleting them, and the containers made of them."""

import errno
import json

import pytest
import trio

from lightd.eggs import version_files
from tests.api.front import NO_VOLUME, open_api
from tests.support.example_egg import EGG
from tests.support.fake_engine import engine
from tests.support.scoped import bearing, mint

DEFAULTS = {"NAME": "x", "LICENCE": "", "FIXED": "f", "HIDDEN": "secret", "PASSWORD": "p"}
IMAGES = {"Java 21": engine.RIG_IMAGE, "Java 17": f"~{engine.RIG_IMAGE}"}


def an_egg(**changes):
    """An egg whose server runs on the fake engine, with variables of every kind."""
    return {
        **EGG,
        "docker_images": IMAGES,
        "startup": "stdin-echo",
        "scripts": {},
        "config": {"files": "{}", "startup": '{"done": "Ready"}', "logs": "{}", "stop": "^C"},
        "variables": [
            a_variable("NAME", default_value="x", rules="required|max:5"),
            a_variable("LICENCE", rules="required|accepted"),
            a_variable("FIXED", user_editable=False, default_value="f"),
            a_variable("HIDDEN", user_viewable=False, user_editable=False, default_value="secret"),
            a_variable("PASSWORD", user_viewable=False, default_value="p"),
        ],
        **changes,
    }


def a_variable(name, **fields):
    whole = {"name": name.title(), "env_variable": name, "user_viewable": True, "user_editable": True}
    return {**whole, "default_value": "", "rules": "", **fields}


async def imported(api, egg=None, **fields):
    answer = await api.ask("POST", "/eggs", {"egg": an_egg() if egg is None else egg, **fields})
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


async def created(api, internal_id="s1", **fields):
    body = {"internal_id": internal_id, "volume_id": await api.volume(), "egg": "a-game", **fields}
    return await api.post("/containers", body, wait=20)


async def variables(api, internal_id="s1", token=None):
    path = f"/containers/{internal_id}/variables"
    answer = await (api.ask("GET", path) if token is None else api.ask("GET", path, headers=bearing(token)))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def values(api, internal_id="s1"):
    return {each["env"]: each["value"] for each in (await variables(api, internal_id))["variables"]}


# ---- the store


async def test_egg_is_imported_listed_exported_and_deleted(api):
    first = await imported(api, an_egg(odd=1))
    assert first["message"] == "Egg imported"
    assert (first["id"], first["format"], first["ignored"]) == ("a-game", "PTDL_v2", ["odd"])
    (row,) = (await api.get("/eggs"))["eggs"]
    assert (row["id"], row["version"], row["versions"]) == ("a-game", first["version"], 1)
    shown = await api.get("/eggs/a-game")
    assert shown["egg"]["meta"]["version"] == "PLCN_v3"
    assert shown["versions"][0]["containers"] == []
    again = await api.ask("POST", "/eggs", shown["egg"])
    assert (again.status_code, again.json()["new"]) == (200, False)
    second = await imported(api, an_egg(description="new"))
    assert second["new"]
    assert (await api.get("/eggs/a-game", version=first["version"]))["version"] == first["version"]
    assert (await api.get("/eggs/a-game"))["version"] == second["version"]
    assert (await api.call("DELETE", "/eggs/a-game"))["message"] == "Egg deleted"
    assert (await api.get("/eggs"))["eggs"] == []
    assert (await api.refused("GET", "/eggs/a-game"))[:2] == (404, "egg_not_found")
    assert (await api.refused("DELETE", "/eggs/a-game"))[:2] == (404, "egg_not_found")


async def test_egg_file_is_json_or_yaml_as_the_body_or_in_a_field_of_it(api):
    text = json.dumps(EGG)
    yaml = "meta: {version: PLCN_v3}\nname: Yaml\ndocker_images: {a: b/c}\nstartup_commands: {a: ./b}\n"
    for content, egg_id in (
        (text, "a-game"),
        (f"\ufeff{text}", "a-game"),
        (yaml, "yaml"),
        (json.dumps({"egg": text, "id": "one"}), "one"),
        (json.dumps({"egg": EGG, "id": "two"}), "two"),
        (json.dumps({"egg": yaml}), "yaml"),
        (json.dumps({**EGG, "egg": "ignored"}), "a-game"),
    ):
        answer = await api.ask("POST", "/eggs", content=content.encode())
        assert answer.status_code in (200, 201), answer.text
        assert answer.json()["id"] == egg_id
    assert [row["id"] for row in (await api.get("/eggs"))["eggs"]] == ["a-game", "one", "two", "yaml"]
    page = await api.get("/eggs", limit=2, after="a-game")
    assert ([row["id"] for row in page["eggs"]], page["next"]) == (["one", "two"], "two")


MANY = [a_variable(f"V{number}") for number in range(1001)]
BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (b"", "invalid_egg", "must contain an object"),
        (b"{", "invalid_egg", "is not valid JSON"),
        (b"[]", "invalid_egg", "must contain an object"),
        (b"\xff", "invalid_egg", "not UTF-8"),
        (BOMB.encode(), "invalid_egg", "aliases such as *a are not allowed"),
        (b'{"meta": ' + b"[" * 5000, "invalid_egg", "too many"),
        (json.dumps({**EGG, "variables": MANY}).encode(), "invalid_egg", "a list of at most 1000"),
        (json.dumps({**EGG, "name": None}).encode(), "invalid_egg", "name: is missing"),
        (b'{"egg": 1}', "invalid_request", "egg: must be an egg file"),
        (b'{"egg": {}, "id": "../../etc"}', "invalid_request", "id: must be 1 to 63 small letters"),
        (b'{"egg": {}, "id": "A"}', "invalid_request", "id: must be 1 to 63 small letters"),
        (b'{"egg": {}, "id": null}', "invalid_request", "id: must be"),
        (b'{"egg": {}, "id": "check"}', "invalid_request", "id: must not be check"),
        (b'{"egg": {}, "odd": 1}', "invalid_request", "odd: unknown field"),
        (b'{"egg": {}}', "invalid_egg", "meta.version: must be one of"),
    ],
)  # fmt: skip
async def test_hostile_egg_is_a_400_that_says_why_and_is_not_stored(api, content, code, said):
    for path in ("/eggs", "/eggs/check"):
        if b'"id"' in content and path == "/eggs/check":
            continue
        answer = await api.ask("POST", path, content=content)
        assert (answer.status_code, answer.json()["code"]) == (400, code), answer.text
        assert said in answer.json()["error"]
    assert (await api.get("/eggs"))["eggs"] == []


async def test_egg_file_that_is_too_large_is_refused(api):
    large = json.dumps({**EGG, "description": "x" * 1024 * 1024}).encode()
    answer = await api.ask("POST", "/eggs", content=large)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_egg")
    answer = await api.ask("POST", "/eggs", content=large * 3)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("egg_id", ["A", "a%2Fb", "x" * 64, "a%00", "-a"])
async def test_id_in_a_path_that_cannot_be_one_leads_nowhere(api, egg_id):
    for method in ("GET", "DELETE"):
        answer = await api.ask(method, f"/eggs/{egg_id}")
        assert answer.status_code in (400, 404, 405), answer.text
    assert (await api.refused("GET", "/eggs/a", version="../x"))[:2] == (400, "invalid_request")


async def test_only_tokens_for_the_whole_node_reach_eggs(api):
    await imported(api)
    await created(api, variables={"LICENCE": "yes"})
    container = bearing(await mint(api, ["s1"]))
    less = bearing(await mint(api, None, ["startup", "files.read"]))
    admin = bearing(await mint(api, None, ["admin"]))
    for headers, status in ((container, 403), (less, 403), (admin, 200)):
        for method, path, body in (
            ("GET", "/eggs", None),
            ("GET", "/eggs/a-game", None),
            ("POST", "/eggs", an_egg()),
            ("POST", "/eggs/check", {"egg": "a-game"}),
        ):
            answer = await api.ask(method, path, body, headers=headers)
            assert answer.status_code == status, (path, answer.text)
    assert (await api.ask("DELETE", "/eggs/a-game", headers=container)).status_code == 403


async def test_check_says_what_would_be_created(api):
    report = await api.post(
        "/eggs/check", {"egg": an_egg(odd=1), "variables": {"NAME": "Bob"}, "image": "Java 17"}
    )
    assert (report["id"], report["image"], report["ignored"]) == ("a-game", engine.RIG_IMAGE, ["odd"])
    assert report["missing"] == {"LICENCE": "must have a value"}
    assert report["variables"]["NAME"] == "Bob"
    assert report["stop"] == {"command": None, "signal": "SIGINT"}
    assert (await api.get("/eggs"))["eggs"] == []
    stored = await imported(api)
    assert (await api.post("/eggs/check", {"egg": "a-game"}))["version"] == stored["version"]
    for body, said in (
        ({"egg": an_egg(), "variables": {"NAME": "Roberta"}}, "variables.NAME: must satisfy the rule max:5"),
        ({"egg": an_egg(), "variables": {"ODD": ""}}, "variables.ODD: the egg has no such variable"),
        ({"egg": an_egg(), "variables": {"NAME": 1}}, "variables: the value of NAME must be a string"),
        ({"egg": an_egg(), "image": "no image"}, "image: must be"),
        ({"egg": an_egg(docker_images={"a": "no image"})}, "image: must be"),
    ):
        status, code, error = await api.refused("POST", "/eggs/check", body)
        assert (status, code) == (400, "invalid_request")
        assert said in error
    assert (await api.refused("POST", "/eggs/check", {"egg": "none"}))[:2] == (404, "egg_not_found")


async def test_disk_that_is_full_is_a_507_and_the_egg_is_not_stored(api, monkeypatch):
    def fill(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(version_files.os, "fsync", fill)
    assert (await api.refused("POST", "/eggs", an_egg()))[:2] == (507, "no_space")
    assert (await api.get("/eggs"))["eggs"] == []
    monkeypatch.undo()
    assert (await imported(api))["new"]


# ---- containers


async def test_container_is_created_from_an_egg_and_keeps_its_version(api):
    first = await imported(api)
    address = await api.port(25565)
    answer = await created(api, ports=[address], variables={"NAME": "Bob"}, limits={"memory": 2**30})
    assert answer["missing"] == {"LICENCE": "must have a value"}
    shown = await api.show()
    assert shown["egg"] == {"id": "a-game", "version": first["version"]}
    for name, value in (
        ("image", engine.RIG_IMAGE),
        ("startup_command", "stdin-echo"),
        ("entrypoint", "image"),
        ("start_texts", ["Ready"]),
        ("stop", {"type": "signal", "value": "SIGINT", "timeout": 30}),
    ):
        assert shown[name] == value, name
    assert await values(api) == {
        "NAME": "Bob",
        "LICENCE": "",
        "FIXED": "f",
        "HIDDEN": "secret",
        "PASSWORD": "p",
    }
    second = await imported(api, an_egg(description="new"))
    assert (await api.show())["egg"]["version"] == first["version"]
    versions = (await api.get("/eggs/a-game"))["versions"]
    assert [(each["version"], each["containers"]) for each in versions] == [
        (first["version"], ["s1"]),
        (second["version"], []),
    ]
    assert (await api.refused("DELETE", "/eggs/a-game"))[1:] == (
        "egg_in_use",
        "the egg a-game is used by: s1",
    )
    await created(api, "s2", egg={"id": "a-game", "version": first["version"]})
    assert (await api.show("s2"))["egg"]["version"] == first["version"]
    for internal_id in ("s1", "s2"):
        await api.call("DELETE", f"/containers/{internal_id}")
    await api.call("DELETE", "/eggs/a-game")


async def test_given_fields_replace_those_of_the_egg(api):
    await imported(api)
    await created(
        *(api, "s1"), image="Java 17", startup_command="other", entrypoint="shell", start_texts=["up"],
        stop={"type": "command", "value": "quit"}, environment={"LICENCE": "yes"}
    )  # fmt: skip
    shown = await api.show()
    assert (shown["image"], shown["pull"]) == (engine.RIG_IMAGE, "never")
    assert (shown["startup_command"], shown["entrypoint"], shown["start_texts"]) == ("other", "shell", ["up"])
    assert shown["stop"]["value"] == "quit"
    assert (await variables(api))["missing"] == {}  # the environment has it


@pytest.mark.parametrize(
    ("fields", "code", "said"),
    [
        ({"variables": {"NAME": "Roberta"}}, "invalid_request", "variables.NAME: must satisfy the rule max"),
        ({"variables": {"ODD": "1"}}, "invalid_request", "variables.ODD: the egg has no such variable"),
        ({"variables": {"NAME": 5}}, "invalid_request", "variables: the value of NAME must be a string"),
        ({"variables": {"NAME": "x" * 8193}}, "invalid_request", "must not be longer than 8192"),
        ({"variables": {f"V{n}": "" for n in range(1001)}}, "invalid_request", "at most 1000 variables"),
        ({"variables": []}, "invalid_request", "variables: must be an object"),
        ({"egg": "../a-game"}, "invalid_request", "egg: must be"),
        ({"egg": {}}, "invalid_request", "egg: must be the id of an egg"),
        ({"egg": {"id": "a-game", "version": "x"}}, "invalid_request", "egg: must be 16 hexadecimal digits"),
        ({"egg": {"id": "a-game", "version": "0" * 16}}, "egg_not_found", "has no such version"),
        ({"egg": "none"}, "egg_not_found", "no such egg"),
        ({"image": "no image"}, "invalid_request", "image: must be"),
        ({"image": 5}, "invalid_request", "image: must be"),
        ({"odd": 5}, "invalid_request", "odd: unknown field"),
        ({"egg": {"id": "a-game", "variables": {}}, "variables": {}}, "invalid_request", "are given twice"),
        ({"limits": {"memory": 1}}, "invalid_request", "limits.memory: must be"),
    ],
)  # fmt: skip
async def test_mistake_in_a_request_is_named_and_creates_nothing(api, fields, code, said):
    await imported(api)
    body = {"internal_id": "s1", "volume_id": await api.volume(), "egg": "a-game", **fields}
    status, found, error = await api.refused("POST", "/containers", body)
    assert (status, found) == (404 if code == "egg_not_found" else 400, code), error
    assert said in error
    assert (await api.get("/containers"))["containers"] == []


async def test_container_without_an_egg_needs_an_image_and_has_no_variables(api):
    body = {"internal_id": "s1", "volume_id": NO_VOLUME, "startup_command": "x"}
    assert "image: is missing" in (await api.refused("POST", "/containers", body))[2]
    assert (
        "variables: unknown field"
        in (await api.refused("POST", "/containers", {**body, "image": engine.RIG_IMAGE, "variables": {}}))[2]
    )
    await api.create()
    assert (await api.show())["egg"] is None
    for method, path in (("GET", "variables"), ("PATCH", "variables"), ("POST", "egg")):
        body = None if method == "GET" else {}
        assert (await api.refused(method, f"/containers/s1/{path}", body))[:2] == (409, "not_from_egg")


async def test_egg_of_a_container_that_is_being_created_is_not_deleted(api):
    await imported(api)
    volume_id = await api.volume()
    api.journal.gate = trio.Event()
    async with trio.open_nursery() as nursery:
        body = {"internal_id": "s1", "volume_id": volume_id, "egg": "a-game"}
        nursery.start_soon(api.post, "/containers", body)
        await api.journal.held.wait()
        with trio.fail_after(10):
            while not api.system.eggs._held and "s1" not in api.system.leasing.claims:
                await trio.sleep(0.01)
        nursery.start_soon(api.call, "DELETE", "/eggs/a-game", None, 409)
        await trio.sleep(0.1)
        api.journal.gate.set()
        api.journal.gate = None
    assert (await api.show())["egg"]["id"] == "a-game"


async def test_creation_and_deletion_at_once_end_with_a_container_or_without_the_egg(api):
    for turn in range(6):
        await imported(api)
        volume_id = await api.volume()
        body = {"internal_id": f"s{turn}", "volume_id": volume_id, "egg": "a-game"}
        answers = {}

        async def ask(method, path, body, answers=answers):
            answers[method] = (await api.ask(method, path, body)).status_code

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, "POST", "/containers", body)
            nursery.start_soon(ask, "DELETE", "/eggs/a-game", None)
        assert answers in ({"POST": 200, "DELETE": 409}, {"POST": 404, "DELETE": 200}), answers
        if answers["POST"] == 200:
            assert await values(api, f"s{turn}")
            await api.call("DELETE", f"/containers/s{turn}")


async def test_eggs_and_containers_are_there_after_a_restart(api, tmp_path):
    (tmp_path / "other").mkdir()
    async with open_api(tmp_path / "other") as first:
        one = await imported(first)
        await created(first, variables={"NAME": "Bob"})
    async with open_api(tmp_path / "other") as second:
        assert (await second.show())["egg"] == {"id": "a-game", "version": one["version"]}
        assert (await values(second))["NAME"] == "Bob"
        assert (await second.refused("DELETE", "/eggs/a-game"))[1] == "egg_in_use"


# ---- variables


async def change(api, body, internal_id="s1", token=None):
    options = {} if token is None else {"headers": bearing(token)}
    return await api.ask("PATCH", f"/containers/{internal_id}/variables", body, **options)


async def test_variables_are_shown_and_changed(api):
    await imported(api)
    await created(api)
    shown = await variables(api)
    assert shown["missing"] == {"LICENCE": "must have a value"}
    assert shown["variables"][0] == {
        "name": "Name",
        "env": "NAME",
        "description": "",
        "default": "x",
        "value": "x",
        "rules": ["required", "max:5"],
        "user_editable": True,
        "user_viewable": True,
        "problem": None,
    }
    answer = await change(api, {"NAME": "Bob", "LICENCE": "yes", "FIXED": "g", "HIDDEN": "h"})
    assert answer.json() == {
        "message": "Variables updated",
        "at_next_start": ["NAME", "LICENCE", "FIXED", "HIDDEN"],
        "missing": {},
    }
    assert await values(api) == {
        "NAME": "Bob",
        "LICENCE": "yes",
        "FIXED": "g",
        "HIDDEN": "h",
        "PASSWORD": "p",
    }
    assert (await change(api, {"NAME": None})).status_code == 200
    assert (await values(api))["NAME"] == "x"
    count = (await api.show())["version"]
    assert (await change(api, {"NAME": "x"})).status_code == 200
    assert (await api.show())["version"] == count  # nothing was recorded
    for body, said in (
        ({"NAME": "Roberta"}, "variables.NAME: must satisfy the rule max:5"),
        ({"NAME": ""}, "variables.NAME: must have a value"),
        ({"ODD": "1"}, "variables.ODD: the egg has no such variable"),
        ({"ODD": None}, "variables.ODD: the egg has no such variable"),
        ({"NAME": 1}, "variables: the value of NAME must be a string"),
        ([], "the body must be a JSON object"),
    ):
        answer = await change(api, body)
        assert answer.status_code == 400
        assert said in answer.json()["error"]
    assert (await values(api))["NAME"] == "x"


async def test_changed_variables_apply_at_the_next_start(api):
    await imported(api)
    await created(api, variables={"LICENCE": "yes"})
    await api.power("start")
    before = (await api.show())["container_id"]
    await change(api, {"NAME": "Bob"})
    assert (await api.show())["container_id"] == before
    await api.power("restart")
    after = (await api.show())["container_id"]
    assert after != before
    assert (await api.show())["state"] == "running"
    changed = [
        each for each in (await api.get("/containers/s1/events"))["events"] if each["type"] == "edited"
    ]
    assert ["NAME", "Bob"] in changed[-1]["data"]["egg"]["variables"]


async def test_token_with_startup_sees_and_changes_what_the_egg_lets_users(api):
    await imported(api)
    await created(api)
    token = await mint(api, ["s1"], ["startup"])
    shown = await variables(api, token=token)
    assert [each["env"] for each in shown["variables"]] == ["NAME", "LICENCE", "FIXED"]
    assert shown["missing"] == {"LICENCE": "must have a value"}
    assert (await change(api, {"NAME": "Eve", "PASSWORD": "q"}, token=token)).status_code == 200
    assert (await values(api))["PASSWORD"] == "q"
    for body, status, said in (
        ({"FIXED": "1"}, 403, "variables.FIXED: this token may not change it"),
        ({"HIDDEN": "1"}, 400, "variables.HIDDEN: the egg has no such variable"),
        ({"NONE": "1"}, 400, "variables.NONE: the egg has no such variable"),
        ({"NAME": "Ok", "FIXED": "1"}, 403, "variables.FIXED"),
    ):
        answer = await change(api, body, token=token)
        assert (answer.status_code, said in answer.json()["error"]) == (status, True), answer.text
    assert (await values(api))["NAME"] == "Eve"
    for permissions in (["power"], ["console.read"]):
        refused = await change(api, {"NAME": "x"}, token=await mint(api, ["s1"], permissions))
        assert refused.status_code == 403
    other = await mint(api, ["s2"], ["startup"])
    assert (await change(api, {"NAME": "x"}, token=other)).status_code == 404
    history = await api.ask("GET", "/containers/s1/events", headers=bearing(token))
    assert "Eve" not in history.text
    assert '"secret"' not in history.text


async def test_changes_of_two_variables_at_once_are_both_made(api):
    names = [f"V{n}" for n in range(6)]
    await imported(api, an_egg(variables=[a_variable(name) for name in names]))
    await created(api)
    async with trio.open_nursery() as nursery:
        for name in names:
            nursery.start_soon(change, api, {name: "changed"})
    assert await values(api) == dict.fromkeys(names, "changed")


async def test_variables_do_not_change_while_the_container_is_being_installed_or_deleted(api):
    await imported(api)
    api.faults.gates["create_server"] = trio.Event()
    body = {"internal_id": "s1", "volume_id": await api.volume(), "egg": "a-game"}
    await api.post("/containers", body)
    await imported(api, an_egg(description="new"))
    assert (await change(api, {"NAME": "Bob"})).json()["code"] == "installing"
    assert (await api.refused("POST", "/containers/s1/egg"))[1] == "installing"
    api.faults.gates.pop("create_server").set()


# ---- upgrades


async def upgrade(api, **fields):
    return await api.post("/containers/s1/egg", fields)


async def test_upgrade_changes_what_is_still_the_eggs(api):
    first = await imported(api)
    await created(api, variables={"NAME": "Bob"}, stop={"type": "command", "value": "quit"})
    new = an_egg(
        startup="stdin-echo new",
        config={"files": "{}", "startup": '{"done": ["Ready", "Up"]}', "logs": "{}", "stop": "stop"},
        file_denylist=["*.jar"],
        scripts={"installation": {"script": "x", "container": "debian", "entrypoint": "sh"}},
        variables=[
            a_variable("NAME", default_value="y", rules="required|max:2"),
            a_variable("FIXED", default_value="g"),
            a_variable("ADDED", default_value="a"),
            a_variable("NEEDED", rules="required"),
        ],
    )
    second = await imported(api, new)
    answer = await upgrade(api)
    assert answer == {
        "message": "Egg upgraded",
        "egg": {"id": "a-game", "version": second["version"]},
        "previous_version": first["version"],
        "applied": ["file_denylist", "install"],
        "at_next_start": ["startup_command", "start_texts"],
        "kept": ["stop"],
        "variables": {
            "added": ["ADDED", "NEEDED"],
            "removed": ["LICENCE", "HIDDEN", "PASSWORD"],
            "reset": ["FIXED"],
        },
        "missing": {"NAME": "must satisfy the rule max:2", "NEEDED": "must have a value"},
    }
    shown = await api.show()
    assert shown["egg"]["version"] == second["version"]
    assert shown["startup_command"] == "stdin-echo new"
    assert shown["start_texts"] == ["Ready", "Up"]
    assert shown["stop"]["value"] == "quit"
    assert shown["install"]["script"] == "x"
    assert await values(api) == {"NAME": "Bob", "FIXED": "g", "ADDED": "a", "NEEDED": ""}
    again = await upgrade(api)
    assert (again["message"], again["at_next_start"]) == ("It has this version already", [])
    back = await upgrade(api, version=first["version"])
    assert back["egg"]["version"] == first["version"]
    shown = await api.show()
    assert (shown["startup_command"], shown["install"]) == ("stdin-echo", None)
    assert await values(api) == {
        "NAME": "Bob",
        "LICENCE": "",
        "FIXED": "f",
        "HIDDEN": "secret",
        "PASSWORD": "p",
    }


async def test_upgrade_keeps_the_choice_of_an_image_by_its_name(api):
    await imported(api, an_egg(docker_images={"A": "a/a:1", "B": engine.RIG_IMAGE}))
    await created(api, image="B")
    second = {"A": "a/a:2", "B": "b/b:2"}
    await imported(api, an_egg(docker_images=second))
    assert "image" in (await upgrade(api))["at_next_start"]
    assert (await api.show())["image"] == "b/b:2"
    await imported(api, an_egg(docker_images={"C": "c/c:3"}))
    await upgrade(api)
    assert (await api.show())["image"] == "c/c:3"
    await api.call("PATCH", "/containers/s1", {"image": "own/image:1"})
    await imported(api, an_egg(docker_images=second))
    assert "image" in (await upgrade(api))["kept"]
    assert (await api.show())["image"] == "own/image:1"


async def test_upgrade_needs_a_version_that_is_there(api):
    await imported(api)
    await created(api)
    assert (await api.refused("POST", "/containers/s1/egg", {"version": "0" * 16}))[:2] == (
        404,
        "egg_not_found",
    )
    assert (await api.refused("POST", "/containers/s1/egg", {"version": "x"}))[:2] == (400, "invalid_request")
    headers = bearing(await mint(api, ["s1"], ["startup"]))
    assert (await api.ask("POST", "/containers/s1/egg", headers=headers)).status_code == 403


async def test_upgrade_during_a_start_applies_to_the_next_one(api):
    await imported(api)
    await created(api, variables={"LICENCE": "yes"})
    second = await imported(api, an_egg(startup="stdin-echo again"))
    api.faults.gates["start"] = trio.Event()
    await api.power("start", wait=0)
    assert (await upgrade(api))["at_next_start"] == ["startup_command"]
    api.faults.gates.pop("start").set()
    with trio.fail_after(10):
        while (await api.show())["state"] != "running":
            await trio.sleep(0.01)
    before = (await api.show())["container_id"]
    await api.power("restart")
    shown = await api.show()
    assert shown["container_id"] != before
    assert shown["egg"]["version"] == second["version"]


async def test_upgrade_during_a_reinstallation_or_a_deletion_is_refused(api):
    await imported(api)
    await created(api, variables={"LICENCE": "yes"})
    await imported(api, an_egg(startup="stdin-echo again"))
    api.faults.gates["create_candidate"] = trio.Event()
    await api.post("/containers/s1/reinstall", {})
    assert (await api.refused("POST", "/containers/s1/egg"))[:2] == (409, "changing")
    api.faults.gates.pop("create_candidate").set()
    with trio.fail_after(10):
        while api.system.fleet.get("s1").state.change is not None:
            await trio.sleep(0.01)
    api.faults.gates["remove"] = trio.Event()
    await api.call("DELETE", "/containers/s1", None, wait=0)
    assert (await api.refused("POST", "/containers/s1/egg"))[:2] == (409, "deleting")
    api.faults.gates.pop("remove").set()


async def test_damaged_egg_is_a_409_until_it_is_imported_again(api):
    one = await imported(api)
    await created(api)
    path = api.system.eggs._files.folder / f"a-game@{one['version']}.json"
    api.system.eggs._recent.clear()
    path.write_text("{}")
    for method, where in (("GET", "/eggs/a-game"), ("GET", "/containers/s1/variables")):
        assert (await api.refused(method, where))[:2] == (409, "egg_damaged")
    body = {"internal_id": "s2", "volume_id": await api.volume(), "egg": "a-game"}
    assert (await api.refused("POST", "/containers", body))[:2] == (409, "egg_damaged")
    assert not (await imported(api))["new"]
    assert await values(api)
