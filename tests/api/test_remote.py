"""The configuration of a running daemon: shown, reloaded; and the sockets that a replaced token leaves."""

import logging

import pytest
import trio

from actors.tokens.grant import MASTER
from lightd import daemon
from lightd.http.live import session
from tests.api.front import HEADERS, TOKEN, USER, open_api, write_file

NEW = "lightd_another_master_token"
PANEL = {"enabled": False, "url": "https://panel.example/api", "token": "lightd_the_panels_token_1234"}


def headers(token):
    return {**HEADERS, "Authorization": f"Bearer {token}"}


async def test_running_configuration_is_shown_without_its_tokens(tmp_path):
    async with open_api(tmp_path, sections={"remote": PANEL}) as api:
        answer = await api.ask("GET", "/remote/config")
    shown = answer.json()
    assert shown["authorization"] == {"enabled": True, "token": "lightd_…oken"}
    assert shown["remote"] == {
        "enabled": False,
        "url": "https://panel.example/api",
        "token": "lightd_…1234",
        "sync_config": False,
        "catch_up": "all",
        "events": False,
        "sftp_auth": False,
    }
    assert shown["docker"]["user"] == USER
    assert shown["storage"]["base_path"] == str(tmp_path / "storage")
    assert TOKEN not in answer.text


async def test_daemon_without_a_panel_says_so(api):
    assert await api.get("/remote/status") == {
        "enabled": False,
        "healthy": False,
        "last_ok": None,
        "last_error": None,
        "backlog": 0,
        "oldest_pending_at": None,
        "cursor": None,
        "refused": 0,
        "config": {"pulled_at": None, "pushed_at": None, "conflicts": []},
    }


async def test_routes_are_strict(api):
    for method, path in (
        ("GET", "/remote/config"),
        ("GET", "/remote/status"),
        ("POST", "/remote/config/reload"),
    ):
        assert (await api.refused(method, path, x="1"))[:2] == (400, "invalid_request")
    assert (await api.refused("POST", "/remote/config/reload", {"x": 1}))[0] == 400


async def test_reload_of_the_same_file_changes_nothing(api):
    assert await api.reload() == {
        "message": "Configuration reloaded successfully",
        "applied": [],
        "restart_required": [],
    }


async def test_reload_applies_what_can_change_and_names_the_rest_each_time(api, tmp_path):
    (tmp_path / "mine").mkdir()
    sections = {
        "docker": {
            "engine": "process",
            "user": "7:8",
            "allowed_mounts": [str(tmp_path / "mine")],
            "socket_path": "/no/such.sock",
        },
        "monitoring": {"enabled": True, "interval_ms": 150},
        "server": {"host": "127.0.0.2", "port": 1},
        "storage": {"base_path": str(tmp_path / "elsewhere")},
        "remote": PANEL,
        "node": "other",
    }
    first, second = await api.reload(**sections), await api.reload(**sections)
    assert first["applied"] == [
        "docker.allowed_mounts",
        "docker.user",
        "monitoring.interval_ms",
        "remote.url",
        "remote.token",
    ]
    assert second["applied"] == []
    assert first["restart_required"] == second["restart_required"]
    assert second["restart_required"] == [
        "server.host",
        "server.port",
        "docker.engine",
        "docker.socket_path",
        "storage.base_path",
        "storage.containers_path",
        "storage.volumes_path",
        "node",
    ]
    shown = await api.get("/remote/config")
    assert shown["monitoring"]["interval_ms"] == 150
    assert (shown["server"]["host"], shown["server"]["port"]) == ("127.0.0.1", 0)
    assert shown["node"] == "api"
    mount = {"/custom": str(tmp_path / "mine")}
    await api.create(mount=mount)
    assert (await api.show())["user"] == "7:8"
    assert api.system.quotas.owner.uid == 7


async def test_bad_file_says_where_and_changes_nothing(api):
    before = await api.get("/remote/config")
    api.rewrite(server={"port": "x"}, remote={"enabled": True, "url": "ftp://x"})
    status, code, message = await api.refused("POST", "/remote/config/reload")
    assert (status, code) == (400, "invalid_configuration")
    assert 'server.port: must be a whole number between 0 and 65535 (got "x")' in message
    assert "remote.url: must be an http:// or https:// URL" in message
    write_file(api.system.path, "{")
    assert "line 1, column 2" in (await api.refused("POST", "/remote/config/reload"))[2]
    api.system.path.unlink()
    assert "cannot be read" in (await api.refused("POST", "/remote/config/reload"))[2]
    api.system.path = None
    assert "without a configuration file" in (await api.refused("POST", "/remote/config/reload"))[2]
    assert await api.get("/remote/config") == before


async def test_new_master_token_holds_at_once_and_closes_what_the_old_one_opened(api):
    await api.create()
    minted = (await api.post("/auth/tokens", {"ttl": "1h"}))["token"]
    async with api.console() as console, api.console("") as node, trio.open_nursery() as nursery:
        await console.until("event")
        api.rewrite(authorization={"token": NEW})
        assert (await api.post("/remote/config/reload"))["applied"] == ["authorization.token"]
        codes = []

        async def close(each):
            codes.append(await each.closed())

        nursery.start_soon(close, console)
        nursery.start_soon(close, node)
        with trio.fail_after(10):
            while len(codes) < 2:
                await trio.sleep(0.01)
    assert codes == [4401, 4401]
    assert (await api.ask("GET", "/containers")).status_code == 401
    for token in (NEW, minted):
        assert (await api.ask("GET", "/containers", headers=headers(token))).status_code == 200
    async with api.console(token=f"?token={NEW}") as console:
        await console.until("event")
        assert api.system.sockets._held.keys() == {MASTER}
    with trio.fail_after(10):
        while api.system.sockets._held:
            await trio.sleep(0.01)


async def test_socket_whose_token_goes_during_its_handshake_is_closed_too(api, monkeypatch):
    await api.create()
    accept = session._accept

    async def slowly():
        socket = await accept()
        await api.reload(authorization={"token": NEW})
        return socket

    monkeypatch.setattr(session, "_accept", slowly)
    async with api.console() as console:
        with trio.fail_after(10):
            assert await console.closed() == 4401


async def test_authorization_may_be_switched_on_loopback_alone(api, monkeypatch):
    off = {"enabled": False, "token": TOKEN}
    assert (await api.reload(authorization=off))["applied"] == ["authorization.enabled"]
    assert (await api.ask("GET", "/containers", headers=headers("nobody"))).status_code == 200
    await api.reload()
    assert (await api.ask("GET", "/containers", headers=headers("nobody"))).status_code == 401
    open_to_all = api.system.config.server.__class__("0.0.0.0", 0)
    api.system.config = api.system.config.__class__(
        server=open_to_all, authorization=api.system.config.authorization, node="api"
    )
    assert "authorization.enabled" in (await api.reload(authorization=off))["restart_required"]


async def test_monitoring_is_switched_while_it_runs(api):
    await api.running()
    member = api.system.fleet.get("s1")
    with trio.fail_after(10):
        while member.stats.value is None:
            await member.wake.wait()
    await api.reload(monitoring={"enabled": False})
    await trio.testing.wait_all_tasks_blocked(0.01)
    assert member.stats.value is None
    assert (await api.get("/containers/s1/stats"))["current"] is None
    await api.reload(monitoring={"enabled": True, "interval_ms": 100})
    with trio.fail_after(10):
        while member.stats.value is None:
            await member.wake.wait()


@pytest.mark.parametrize("bad", [False, True])
async def test_hangup_reloads_and_logs_the_result(api, caplog, bad):
    caplog.set_level(logging.INFO)
    api.rewrite(monitoring={"interval_ms": 7 if bad else 200}, server={"host": "127.0.0.9"})
    await daemon._reload(api.system)
    wanted = (
        "monitoring.interval_ms: must be between 100 and 60000 (got 7)"
        if bad
        else "applied: monitoring.interval_ms; restart required for: server.host, server.port"
    )
    assert wanted in caplog.text
