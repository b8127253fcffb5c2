"""What is refused of a new container, and how the mistake is named."""

import json

import trio

from lightd.api.container_fields import ContainerBody
from lightd.engines.signals import DELIVERED
from lightd.validation.reading import fields_of
from tests.api.front import NO_VOLUME
from tests.support.fake_engine import engine

GOOD = {
    "internal_id": "s1",
    "image": engine.RIG_IMAGE,
    "volume_id": NO_VOLUME,
    "startup_command": "stdin-echo",
}
AN_ID = "1 to 63 letters, digits, '_', '.' or '-', beginning with a letter or digit"
A_NUMBER = "a whole number between 1 and 65535"
MEMORY = f"between 6291456 and {2**60}"
WORDS = "known here: " + ", ".join(field.key for field in fields_of(ContainerBody))
NO_PATTERN = "start_pattern: is not a valid regular expression"
A_PORT = {"ip": "127.0.0.1", "port": 1}
PATH = "must be an absolute path without '.', '..' and ':'"
STOP_SIGNALS = "stop.value: must be a signal that can be delivered: " + ", ".join(DELIVERED)
# fmt: off
NOT_DELIVERED = (
    "ABRT", "BUS", "CHLD", "CLD", "FPE", "ILL", "IOT", "SEGV", "STOP", "SYS", "TRAP", "TSTP", "TTIN",
    "TTOU", "RTMIN+3",
)
# fmt: on

MISTAKES = [
    ({"odd": 1}, f"odd: unknown field ({WORDS})"),
    ({"internal_id": 5}, f"internal_id: must be {AN_ID} (got 5)"),
    ({"internal_id": ""}, f'internal_id: must be {AN_ID} (got "")'),
    ({"internal_id": "-s1"}, f'internal_id: must be {AN_ID} (got "-s1")'),
    ({"internal_id": "s1\n"}, f'internal_id: must be {AN_ID} (got "s1\\n")'),
    ({"internal_id": "s/1"}, f'internal_id: must be {AN_ID} (got "s/1")'),
    ({"internal_id": "x" * 64},
     f'internal_id: must be {AN_ID} (got "{"x" * 59}...)'),
    ({"internal_id": "\u0661"}, f'internal_id: must be {AN_ID} (got "\\u0661")'),
    ({"image": None}, "image: must be the name of an image (got null)"),
    ({"image": "--rm"}, 'image: must be the name of an image (got "--rm")'),
    ({"image": "a b"}, 'image: must be the name of an image (got "a b")'),
    ({"volume_id": "x"}, 'volume_id: must be a lower-case UUID (got "x")'),
    ({"volume_id": "ABCDEF00-0000-0000-0000-000000000000"},
     'volume_id: must be a lower-case UUID (got "ABCDEF00-0000-0000-0000-000000000000")'),
    ({"startup_command": "  "}, "startup_command: must not be empty"),
    ({"startup_command": ["a"]}, "startup_command: must be a string (got a list)"),
    ({"startup_command": "a\0b"}, "startup_command: must not contain a NUL character"),
    ({"startup_command": "x" * 65537},
     "startup_command: must not be longer than 65536 characters (got 65537)"),
    ({"start_pattern": "("}, f"{NO_PATTERN}: missing ): ("),
    ({"start_pattern": "x" * 1001}, f"{NO_PATTERN}: must not be longer than 1000 characters"),
    ({"start_pattern": 1}, "start_pattern: must be a string (got 1)"),
    ({"start_texts": "Ready"}, "start_texts: must be a list of texts"),
    ({"start_texts": ["a"] * 17}, "start_texts: must be at most 16 texts (got 17)"),
    ({"start_texts": ["a", "b" * 513]},
     "start_texts: entry 1 must not be longer than 512 characters (got 513)"),
    ({"start_texts": ["a\nb"]},
     "start_texts: entry 0 must not be empty, and must not contain ends of lines or NUL characters"),
    ({"start_texts": ["\x1b[31m"]}, "start_texts: must not have a text without visible characters"),
    ({"start_texts": [chr(0x4E00 + n) * 512 for n in range(16)]},
     "start_texts: are too complex: they must not need more than 5000 instructions"),
    ({"entrypoint": "none"}, 'entrypoint: must be "shell" or "image" (got "none")'),
    ({"install": {"image": "a", "script": " "}}, "install.script: must not be empty"),
    ({"install": {"image": "a", "script": "b", "entrypoint": "-c"}},
     'install.entrypoint: must be the name or the path of a program, of at most 255 characters (got "-c")'),
    ({"install": {"image": "a", "script": "b"}, "install_script": "c"},
     "install: must not be given together with install_script"),
    ({"file_denylist": ["a"] * 101}, "file_denylist: must be at most 100 patterns (got 101)"),
    ({"file_denylist": ["a", "a" * 256]},
     "file_denylist: entry 1 must not be longer than 255 characters (got 256)"),
    ({"file_denylist": ["a", "b\\"]}, "file_denylist: entry 1 is not a pattern of gitignore"),
    ({"file_denylist": ["a[b"]}, "file_denylist: entry 0 matches nothing"),
    ({"ports": [{**A_PORT, "name": "1A"}]},
     'ports[0].name: must be the name of a variable of at most 255 characters (got "1A")'),
    ({"ports": {}}, "ports: must be a list (got an object)"),
    ({"ports": [5]}, "ports[0]: must be an object (got 5)"),
    ({"ports": [A_PORT, {"ip": "127.0.0.1"}]}, "ports[1].port: is missing"),
    ({"ports": [{**A_PORT, "port": "25565"}]}, f'ports[0].port: must be {A_NUMBER} (got "25565")'),
    ({"ports": [{**A_PORT, "port": True}]}, f"ports[0].port: must be {A_NUMBER} (got true)"),
    ({"ports": [{**A_PORT, "port": 1.0}]}, f"ports[0].port: must be {A_NUMBER} (got 1.0)"),
    ({"ports": [{**A_PORT, "port": 65536}]}, "ports[0].port: must be between 1 and 65535 (got 65536)"),
    ({"ports": [{**A_PORT, "ip": "localhost"}]}, 'ports[0].ip: must be an IP address (got "localhost")'),
    ({"ports": [{**A_PORT, "ip": 2130706433}]}, "ports[0].ip: must be an IP address (got 2130706433)"),
    ({"ports": [{**A_PORT, "protocol": "sctp"}]}, 'ports[0].protocol: must be "tcp" or "udp" (got "sctp")'),
    ({"ports": [{**A_PORT, "protocol": ["tcp"]}]}, 'ports[0].protocol: must be "tcp" or "udp" (got a list)'),
    ({"ports": [{**A_PORT, "container_port": 0}]},
     "ports[0].container_port: must be between 1 and 65535 (got 0)"),
    ({"ports": [{**A_PORT, "x": 1}]},
     "ports[0].x: unknown field (known here: ip, port, protocol, container_port, name)"),
    ({"ports": [A_PORT, A_PORT]}, "ports: one is given twice"),
    ({"limits": []}, "limits: must be an object (got a list)"),
    ({"limits": ""}, 'limits: must be an object (got "")'),
    ({"limits": None}, "limits: must be an object (got null)"),
    ({"limits": {"memory": 1024}}, f"limits.memory: must be {MEMORY} (got 1024)"),
    ({"limits": {"memory": 1e9}}, f"limits.memory: must be a whole number {MEMORY} (got 1000000000.0)"),
    ({"limits": {"cpu": 0}}, "limits.cpu: must be between 0.01 and 1024 (got 0)"),
    ({"limits": {"cpu": True}}, "limits.cpu: must be a number between 0.01 and 1024 (got true)"),
    ({"limits": {"cpu": "1"}}, 'limits.cpu: must be a number between 0.01 and 1024 (got "1")'),
    ({"limits": {"pids": 0}}, "limits.pids: must be between 1 and 4194304 (got 0)"),
    ({"limits": {"disk": 1}}, "limits.disk: unknown field (known here: memory, cpu, pids)"),
    ({"mount": []}, "mount: must be an object (got a list)"),
    ({"mount": {"/a": 5}}, "mount: the host path of /a must be a string"),
    ({"mount": {"/a": {"read_only": True}}}, "mount: the host path of /a must be a string"),
    ({"mount": {"/a": {"source": "/b", "ro": True}}}, "mount: /a has an unknown field 'ro'"),
    ({"mount": {"/a": {"source": "/b", "read_only": 1}}}, "mount: read_only of /a must be true or false"),
    ({"mount": {f"/{n}": "/b" for n in range(65)}}, "mount: must not have more than 64 paths"),
    ({"read_only": "no"}, 'read_only: must be true or false (got "no")'),
    ({"mount": {"a": "/b"}}, f"mount: 'a' {PATH}"),
    ({"mount": {"/a/../b": "/b"}}, f"mount: '/a/../b' {PATH}"),
    ({"mount": {"/a": "/b:/c"}}, f"mount: '/b:/c' {PATH}"),
    ({"mount": {"/a": "/b\0"}}, f"mount: '/b\\x00' {PATH}"),
    ({"mount": {"/a//b": "/b"}}, f"mount: '/a//b' {PATH}"),
    ({"mount": {"/": "/b"}}, "mount: / is taken by the container itself"),
    ({"mount": {"//": "/b"}}, "mount: // is taken by the container itself"),
    ({"mount": {"/proc/x": "/b"}}, "mount: /proc/x is taken by the container itself"),
    ({"mount": {"/home/container/": "/b"}}, "mount: /home/container/ is taken by the container itself"),
    ({"install_script": 5}, "install_script: must be a string (got 5)"),
    ({"environment": {"A B": "x"}}, "environment: 'A B' is not the name of a variable"),
    ({"environment": {"A": 5}}, "environment: the value of A must be a string without a NUL character"),
    ({"environment": {"A": "x\0"}}, "environment: the value of A must be a string without a NUL character"),
    ({"environment": [["A", "b"]]}, "environment: must be an object (got a list)"),
    ({"user": "root"}, 'user: must be a numeric uid or uid:gid (got "root")'),
    ({"user": 988}, "user: must be a numeric uid or uid:gid (got 988)"),
    ({"tty": 1}, "tty: must be true or false (got 1)"),
    ({"tty": "true"}, 'tty: must be true or false (got "true")'),
    ({"stop": {"type": "kill"}}, 'stop.type: must be "signal" or "command" (got "kill")'),
    ({"stop": {"type": "command"}}, "stop.value: is missing: the command that stops the server"),
    ({"stop": {"value": "TERM"}}, STOP_SIGNALS),
    ({"stop": {"value": "SIG_IGN"}}, STOP_SIGNALS),
    ({"stop": {"value": "SIGFOO"}}, STOP_SIGNALS),
    ({"stop": {"value": "15"}}, STOP_SIGNALS),
    *(({"stop": {"value": f"SIG{name}"}}, STOP_SIGNALS) for name in NOT_DELIVERED),
    ({"stop": {"timeout": -1}}, "stop.timeout: must be between 0 and 3600 (got -1)"),
    ({"stop": {"timeout": 1e400}}, "stop.timeout: must be between 0 and 3600 (got Infinity)"),
    ({"restart_policy": {"mode": "forever"}},
     'restart_policy.mode: must be "never", "on-crash" or "always" (got "forever")'),
    ({"restart_policy": {"max": 0}}, "restart_policy.max: must be between 1 and 1000 (got 0)"),
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
        'ports[0].ip: must be an IP address (got "x")',
        "ports[0].port: is missing",
        "tty: must be true or false (got 5)",
    ]


async def test_command_that_is_missing_is_told(api):
    body = {name: value for name, value in GOOD.items() if name != "startup_command"}
    _, _, said = await api.refused("POST", "/containers", body)
    assert said == "startup_command: is missing"


async def test_very_many_mistakes_are_reported_by_the_first_ones(api):
    _, _, said = await api.refused("POST", "/containers", {**GOOD, "ports": [5] * 1000})
    assert said.count("must be an object") == 10
    assert said.endswith("; and 990 more")
    _, _, said = await api.refused(
        "POST", "/containers", {**GOOD, **{f"{n}{'x' * 99}": n for n in range(99)}}
    )
    assert said.startswith('"0xxx')
    assert said.endswith("; and 89 more")
    assert len(said) < 4000


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


async def test_id_whose_installation_failed_is_a_409_that_says_how_to_go_on(api):
    body = await api.a_body(image="no-such:image")
    await api.post("/containers", body, wait=20, status=409)
    mended = {**body, "image": engine.RIG_IMAGE}
    _, code, said = await api.refused("POST", "/containers", mended)
    assert code == "already_exists"
    reason = "container s1 exists already; its installation failed: There is no image no-such:image."
    assert said.startswith(reason)
    assert "POST /containers/s1/reinstall" in said
    assert "DELETE /containers/s1 (the volume and its files are kept)" in said
    await api.call("DELETE", "/containers/s1", wait=20)
    await api.post("/containers", mended, wait=20)


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
