"""The routes of SFTP: how to connect, credentials, sessions."""

import base64

import pytest
import trio

from lightd.access.public_keys import to_fingerprint
from lightd.access.sftp_sessions import SftpSession
from lightd.cli.main import main
from lightd.sftp.places import Places
from tests.api.front import HEADERS, a_file, open_api, write_file
from tests.support.scoped import bearing, mint

KEY = "ssh-ed25519 " + base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + b"k" * 32).decode()
PASSWORD = "correct horse"
CREDENTIALS = "/containers/s1/sftp/credentials"


async def test_credential_is_shown_without_its_secrets(api):
    await api.create("s1")
    body = {
        "username": "backup",
        "password": PASSWORD,
        "public_keys": [f"{KEY} me@home"],
        "read_only": True,
        "ttl": "1h",
    }
    made = await api.post(CREDENTIALS, body)
    assert made["login"] == "backup.s1"
    assert made["has_password"] is True
    assert len(made["public_keys"]) == 1
    assert made["public_keys"][0].startswith("SHA256:")
    assert made["read_only"] is True
    assert made["expires_at"] == pytest.approx(made["created_at"] + 3600)
    shown = await api.get("/containers/s1/sftp")
    assert shown["credentials"] == [{key: value for key, value in made.items() if key != "message"}]
    assert PASSWORD not in str(shown)
    assert (shown["enabled"], shown["listening"], shown["username"]) == (False, [], "s1")
    assert shown["address"] == "sftp://s1@127.0.0.1:2022/"
    assert shown["host_keys"] == []


async def test_credential_survives_a_restart_and_is_removed_once(tmp_path):
    async with open_api(tmp_path) as api:
        await api.create("s1")
        made = await api.post(CREDENTIALS, {"public_keys": [KEY]})
        assert (made["login"], made["expires_at"], made["has_password"]) == ("s1", None, False)
    async with open_api(tmp_path) as api:
        assert [each["id"] for each in (await api.get("/containers/s1/sftp"))["credentials"]] == [made["id"]]
        assert (await api.call("DELETE", f"{CREDENTIALS}/{made['id']}"))["id"] == made["id"]
        gone = await api.call("DELETE", f"{CREDENTIALS}/{made['id']}", status=404)
        assert gone["code"] == "credential_not_found"
        assert (await api.get("/containers/s1/sftp"))["credentials"] == []


async def test_credential_does_not_outlive_its_container(api):
    await api.create("s1")
    made = await api.post(CREDENTIALS, {"password": PASSWORD})
    await api.call("DELETE", "/containers/s1", wait=60)
    await api.create("s1")
    assert (await api.get("/containers/s1/sftp"))["credentials"] == []
    assert (await api.call("DELETE", f"{CREDENTIALS}/{made['id']}", status=404))[
        "code"
    ] == "credential_not_found"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "password"),
        ({"password": "short"}, "password"),
        ({"password": "x" * 300}, "password"),
        ({"password": "with\0nul"}, "password"),
        ({"password": 12345678}, "password"),
        ({"password": PASSWORD, "username": "A"}, "username"),
        ({"password": PASSWORD, "username": "a.b"}, "username"),
        ({"password": PASSWORD, "username": 1}, "username"),
        ({"public_keys": "x"}, "public_keys"),
        ({"public_keys": [1]}, "public_keys"),
        ({"public_keys": ["ssh-dss AAAA"]}, "public_keys"),
        ({"public_keys": [KEY] * 21}, "public_keys"),
        ({"password": PASSWORD, "ttl": "1y"}, "ttl"),
        ({"password": PASSWORD, "read_only": 1}, "read_only"),
        ({"password": PASSWORD, "more": 1}, "more"),
    ],
)
async def test_bad_credential_is_refused_by_its_field_and_changes_nothing(api, body, field):
    await api.create("s1")
    answer = await api.post(CREDENTIALS, body, status=400)
    assert field in answer["error"]
    assert (await api.get("/containers/s1/sftp"))["credentials"] == []


async def test_container_has_at_most_twenty_credentials(api):
    await api.create("s1")
    for number in range(20):
        await api.post(CREDENTIALS, {"public_keys": [KEY], "username": f"u{number}"})
    answer = await api.post(CREDENTIALS, {"public_keys": [KEY]}, status=409)
    assert answer["code"] == "too_many_credentials"


@pytest.mark.parametrize("credential_id", ["x", "sftp-", "sftp-" + "0" * 23, "sftp-" + "G" * 24])
async def test_malformed_id_of_a_credential_is_refused(api, credential_id):
    await api.create("s1")
    assert (await api.call("DELETE", f"{CREDENTIALS}/{credential_id}", status=400))["code"] == "invalid_id"


async def test_credential_of_another_container_is_not_found(api):
    await api.create("s1")
    await api.create("s2")
    made = await api.post(CREDENTIALS, {"public_keys": [KEY]})
    answer = await api.call("DELETE", f"/containers/s2/sftp/credentials/{made['id']}", status=404)
    assert answer["code"] == "credential_not_found"


async def test_tenant_sees_how_to_connect_and_no_credentials(api):
    await api.create("s1")
    await api.post(CREDENTIALS, {"public_keys": [KEY]})
    token = await mint(api, containers=["s1"], permissions=["files.read"])
    shown = (await api.ask("GET", "/containers/s1/sftp", headers=bearing(token))).json()
    assert shown["credentials"] == []
    refused = await api.ask("POST", CREDENTIALS, {"public_keys": [KEY]}, headers=bearing(token))
    assert refused.status_code == 403


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("node.example", "sftp://s1@node.example:2022/"),
        ("node.example:8070", "sftp://s1@node.example:2022/"),
        ("[::1]:8070", "sftp://s1@[::1]:2022/"),
        ("[::1]", "sftp://s1@[::1]:2022/"),
    ],
)
async def test_address_has_the_host_of_the_request(api, host, address):
    await api.create("s1")
    answer = await api.ask("GET", "/containers/s1/sftp", headers={**HEADERS, "Host": host})
    assert answer.json()["address"] == address


def open_session(api, session_id, internal_id):
    ended = []
    session = SftpSession(
        *(session_id, internal_id, "vol", internal_id, "password", "master", "192.0.2.7"),
        read_only=False,
        started_at=1.0,
        end=ended.append,
    )
    api.system.sftp_sessions.open[session_id] = session
    return ended


async def test_sessions_are_listed_for_their_containers_and_ended(api):
    await api.create("s1")
    ended = open_session(api, "a" * 32, "s1")
    open_session(api, "b" * 32, "s2")
    assert [each["id"] for each in (await api.get("/sftp/sessions"))["sessions"]] == ["a" * 32, "b" * 32]
    assert (await api.get("/containers/s1/sftp"))["sessions"] == 1
    token = await mint(api, containers=["s1"], permissions=["admin"])
    seen = (await api.ask("GET", "/sftp/sessions", headers=bearing(token))).json()["sessions"]
    assert [each["internal_id"] for each in seen] == ["s1"]
    assert (await api.ask("DELETE", f"/sftp/sessions/{'a' * 32}", headers=bearing(token))).status_code == 403
    await api.call("DELETE", f"/sftp/sessions/{'a' * 32}")
    assert ended == ["it was ended by an operator"]


async def test_session_that_is_not_open_is_ended_without_effect(api):
    assert (await api.call("DELETE", f"/sftp/sessions/{'c' * 32}"))["was_open"] is False
    assert (await api.call("DELETE", "/sftp/sessions/x", status=400))["code"] == "invalid_id"


async def test_credentials_at_once_are_all_kept(api):
    await api.create("s1")
    async with trio.open_nursery() as nursery:
        for number in range(5):
            body = {"password": PASSWORD, "username": f"u{number}"}
            nursery.start_soon(api.post, CREDENTIALS, body)
    assert len((await api.get("/containers/s1/sftp"))["credentials"]) == 5


def test_fingerprints_are_printed_as_clients_show_them(tmp_path, capsys):
    config = tmp_path / "config.json"
    write_file(config, a_file(tmp_path))
    command = ["--config", str(config), "sftp", "fingerprint"]
    assert main(command) == 1
    assert "there are no host keys" in capsys.readouterr().err
    places = Places(tmp_path / "storage" / "sftp")
    places.root.mkdir(parents=True)
    places.public_key("ssh-ed25519").write_text(f"{KEY} comment\n")
    assert main(command) == 0
    assert capsys.readouterr().out == f"{to_fingerprint(KEY)} ssh-ed25519\n"
