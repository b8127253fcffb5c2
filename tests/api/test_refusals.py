"""What is refused of a new container, and how the mistake is named."""

import json

import trio

from lightd.engines.fake import engine
from tests.api.front import NO_VOLUME

GOOD = {
    "internal_id": "s1",
    "image": engine.RIG_IMAGE,
    "volume_id": NO_VOLUME,
    "startup_command": "stdin-echo",
}
AN_ID = "1 to 63 letters, digits, '_', '.' and '-', the first no sign"
A_NUMBER = "a whole number from 1 to 65535"
NO_PATTERN = "start_pattern: is not a valid regular expression"
A_PORT = {"ip": "127.0.0.1", "port": 1}
PATH = "must be an absolute path without '.', '..' and ':'"

MISTAKES = [
    ({"odd": 1}, "unknown field odd"),
    ({"internal_id": 5}, f"internal_id: must be {AN_ID}"),
    ({"internal_id": ""}, f"internal_id: must be {AN_ID}"),
    ({"internal_id": "-s1"}, f"internal_id: must be {AN_ID}"),
    ({"internal_id": "s1\n"}, f"internal_id: must be {AN_ID}"),
    ({"internal_id": "s/1"}, f"internal_id: must be {AN_ID}"),
    ({"internal_id": "x" * 64}, f"internal_id: must be {AN_ID}"),
    ({"internal_id": "\u0661"}, f"internal_id: must be {AN_ID}"),
    ({"image": None}, "image: must be the name of an image"),
    ({"image": "--rm"}, "image: must be the name of an image"),
    *(
        ({"image": name}, "image: must be the name of an image")
        for name in ("a b", "a//b:1", "a/", "x/../../containers/y", "a%2fb", "a:1:2", "A/b/../c", "a" * 256)
    ),
    ({"volume_id": "x"}, "volume_id: must be a lower-case UUID"),
    ({"volume_id": "ABCDEF00-0000-0000-0000-000000000000"}, "volume_id: must be a lower-case UUID"),
    ({"startup_command": "  "}, "startup_command: must not be empty"),
    ({"startup_command": ["a"]}, "startup_command: must be a string"),
    ({"startup_command": "a\0b"}, "startup_command: must not hold a NUL character"),
    ({"startup_command": "x" * 65537}, "startup_command: must not be longer than 65536 characters"),
    ({"start_pattern": "("}, f"{NO_PATTERN}: missing ): ("),
    ({"start_pattern": "x" * 1001}, f"{NO_PATTERN}: must not be longer than 1000 characters"),
    ({"start_pattern": 1}, "start_pattern: must be a string"),
    ({"ports": {}}, "ports: must be a list"),
    ({"ports": [5]}, "ports[0]: must be an object"),
    ({"ports": [A_PORT, {"ip": "127.0.0.1"}]}, "ports[1].port: is missing"),
    ({"ports": [{**A_PORT, "port": "25565"}]}, f"ports[0].port: must be {A_NUMBER}"),
    ({"ports": [{**A_PORT, "port": True}]}, f"ports[0].port: must be {A_NUMBER}"),
    ({"ports": [{**A_PORT, "port": 1.0}]}, f"ports[0].port: must be {A_NUMBER}"),
    ({"ports": [{**A_PORT, "port": 65536}]}, f"ports[0].port: must be {A_NUMBER}"),
    ({"ports": [{**A_PORT, "ip": "localhost"}]}, "ports[0].ip: must be an IP address"),
    ({"ports": [{**A_PORT, "ip": 2130706433}]}, "ports[0].ip: must be an IP address"),
    ({"ports": [{**A_PORT, "protocol": "sctp"}]}, "ports[0].protocol: must be tcp or udp"),
    ({"ports": [{**A_PORT, "protocol": ["tcp"]}]}, "ports[0].protocol: must be tcp or udp"),
    ({"ports": [{**A_PORT, "container_port": 0}]}, f"ports[0].container_port: must be {A_NUMBER}"),
    ({"ports": [{**A_PORT, "x": 1}]}, "ports[0]: unknown field x"),
    ({"ports": [A_PORT, A_PORT]}, "ports: one is given twice"),
    ({"limits": []}, "limits: must be an object"),
    ({"limits": ""}, "limits: must be an object"),
    ({"limits": None}, "limits: must be an object"),
    ({"limits": {"memory": 1024}}, f"limits.memory: must be a whole number from 6291456 to {2**60}"),
    ({"limits": {"memory": 1e9}}, f"limits.memory: must be a whole number from 6291456 to {2**60}"),
    ({"limits": {"cpu": 0}}, "limits.cpu: must be a number from 0.01 to 1024"),
    ({"limits": {"cpu": True}}, "limits.cpu: must be a number from 0.01 to 1024"),
    ({"limits": {"cpu": "1"}}, "limits.cpu: must be a number from 0.01 to 1024"),
    ({"limits": {"pids": 0}}, f"limits.pids: must be a whole number from 1 to {2**22}"),
    ({"limits": {"disk": 1}}, "limits: unknown field disk"),
    ({"mount": []}, "mount: must be an object"),
    ({"mount": {"/a": 5}}, "mount: the host path of /a must be a string"),
    ({"mount": {"/a": {"read_only": True}}}, "mount: the host path of /a must be a string"),
    ({"mount": {"/a": {"source": "/b", "ro": True}}}, "mount: /a has an unknown field 'ro'"),
    ({"mount": {"/a": {"source": "/b", "read_only": 1}}}, "mount: read_only of /a must be true or false"),
    ({"mount": {f"/{n}": "/b" for n in range(65)}}, "mount: must not have more than 64 paths"),
    ({"read_only": "no"}, "read_only: must be true or false"),
    ({"mount": {"a": "/b"}}, f"mount: 'a' {PATH}"),
    ({"mount": {"/a/../b": "/b"}}, f"mount: '/a/../b' {PATH}"),
    ({"mount": {"/a": "/b:/c"}}, f"mount: '/b:/c' {PATH}"),
    ({"mount": {"/a": "/b\0"}}, f"mount: '/b\\x00' {PATH}"),
    ({"mount": {"/a//b": "/b"}}, f"mount: '/a//b' {PATH}"),
    ({"mount": {"/": "/b"}}, "mount: / is taken by the container itself"),
    ({"mount": {"//": "/b"}}, "mount: // is taken by the container itself"),
    ({"mount": {"/proc/x": "/b"}}, "mount: /proc/x is taken by the container itself"),
    ({"mount": {"/home/container/": "/b"}}, "mount: /home/container/ is taken by the container itself"),
    ({"install_script": 5}, "install_script: must be a string"),
    ({"environment": {"A B": "x"}}, "environment: 'A B' is not the name of a variable"),
    ({"environment": {"A": 5}}, "environment: the value of A must be a string"),
    ({"environment": {"A": "x\0"}}, "environment: the value of A must be a string"),
    ({"environment": [["A", "b"]]}, "environment: must be an object"),
    ({"user": "root"}, "user: must be a numeric uid or uid:gid"),
    ({"user": 988}, "user: must be a numeric uid or uid:gid"),
    ({"tty": 1}, "tty: must be true or false"),
    ({"tty": "true"}, "tty: must be true or false"),
    ({"stop": {"type": "kill"}}, "stop.type: must be signal or command"),
    ({"stop": {"type": "command"}}, "stop.value: is missing; it is the command"),
    ({"stop": {"value": "TERM"}}, "stop.value: must be the name of a signal, such as SIGTERM"),
    ({"stop": {"value": "SIG_IGN"}}, "stop.value: must be the name of a signal, such as SIGTERM"),
    ({"stop": {"value": "SIGFOO"}}, "stop.value: must be the name of a signal, such as SIGTERM"),
    ({"stop": {"timeout": -1}}, "stop.timeout: must be a number from 0 to 3600"),
    ({"stop": {"timeout": 1e400}}, "stop.timeout: must be a number from 0 to 3600"),
    ({"restart_policy": {"mode": "forever"}}, "restart_policy.mode: must be never or on-crash or always"),
    ({"restart_policy": {"max": 0}}, "restart_policy.max: must be a whole number from 1 to 1000"),
]  # fmt: skip


async def test_mistake_in_a_body_is_named_by_its_field(api):
    said = {}
    for change, _ in MISTAKES:
        body = {**GOOD, **change}
        answer = await api.ask("POST", "/containers", content=_dumps(body))
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request"), change
        said[_dumps(change)] = answer.json()["error"]
    assert said == {_dumps(change): sentence for change, sentence in MISTAKES}
    assert await api.get("/containers") == {"containers": []}


def _dumps(value):
    return json.dumps(value).replace("Infinity", "1e400")


async def test_all_mistakes_of_a_body_are_told(api):
    _, _, said = await api.refused("POST", "/containers", {"tty": 5, "ports": [{"ip": "x"}]})
    assert said.split("; ") == [
        "internal_id: is missing",
        "image: is missing",
        "volume_id: is missing",
        "startup_command: is missing",
        "ports[0].ip: must be an IP address",
        "ports[0].port: is missing",
        "tty: must be true or false",
    ]


async def test_very_many_mistakes_are_reported_by_the_first_ones(api):
    _, _, said = await api.refused("POST", "/containers", {**GOOD, "ports": [5] * 1000})
    assert said.count("must be an object") == 10
    assert said.endswith("; and 990 more")
    _, _, said = await api.refused(
        "POST", "/containers", {**GOOD, **{f"{n}{'x' * 99}": n for n in range(99)}}
    )
    assert said.startswith("unknown field 0xxx")
    assert len(said) < 1000


async def test_mount_outside_of_what_the_configuration_allows_is_a_403(api, tmp_path):
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    (allowed / "out").symlink_to("/etc")
    for source in ("/etc", "/", str(tmp_path), f"{allowed}x", str(allowed / "out")):
        status, code, said = await api.refused("POST", "/containers", {**GOOD, "mount": {"/maps": source}})
        assert (status, code) == (403, "mount_not_allowed")
        assert said == "mount: the host path of /maps is not in docker.allowed_mounts"
    for source in (allowed, allowed / "maps"):
        status, code, _ = await api.refused("POST", "/containers", {**GOOD, "mount": {"/maps": str(source)}})
        assert (status, code) == (404, "volume_not_found")


async def test_id_that_is_taken_is_a_409(api):
    await api.create()
    assert await api.refused("POST", "/containers", await api.a_body()) == (
        409,
        "already_exists",
        "container s1 exists already",
    )


async def test_many_creations_of_one_id_have_exactly_one_winner(api):
    body = await api.a_body()
    answers = []

    async def create():
        answers.append(await api.ask("POST", "/containers", body))

    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(create)
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
    assert {answer.json()["code"] for answer in answers if answer.is_error} == {"already_exists"}
    assert (await api.types()).count("created") == 1


async def test_id_may_have_up_to_63_characters(api):
    for internal_id in ("0", "A1._-" + "x" * 58):
        await api.create(internal_id)
        assert (await api.show(internal_id))["internal_id"] == internal_id
