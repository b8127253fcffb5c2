"""What a panel hands to a browser: a token for one container's console, on a real container."""

import httpx
import trio
from trio_websocket import open_websocket_url

from tests.support.daemon import HEADERS, NO_AUTHORITIES, PATIENCE, Console

MINE, OTHER = "scope-mine", "scope-other"
SERVER = "echo secret is $SECRET | wc -c; exec stdin-echo"


class Browser:
    """A page of the panel's: it has a token, and what the page of the API says."""

    def __init__(self, daemon, token):
        self._daemon, self._token = daemon, token

    async def ask(self, method, path, body=None):
        headers = {**HEADERS, "Authorization": f"Bearer {self._token}"}
        async with httpx.AsyncClient(
            headers=headers, timeout=PATIENCE, trust_env=False, verify=NO_AUTHORITIES
        ) as client:
            return await client.request(method, self._daemon.url + path, json=body)

    async def status(self, method, path, body=None):
        answer = await self.ask(method, path, body)
        return answer.status_code, answer.json().get("code")

    def console(self, internal_id):
        url = self._daemon.url.replace("http", "ws", 1) + f"/ws/{internal_id}"
        return open_websocket_url(url, subprotocols=[f"lightd.{self._token}"])


async def a_browser(daemon, permissions, containers=(MINE,)):
    body = {"ttl": "1h", "containers": list(containers), "permissions": permissions}
    return Browser(daemon, (await daemon.post("/auth/tokens", body))["token"])


async def test_browser_with_a_token_for_one_console_has_that_and_nothing_else(daemon):
    secret = {"environment": {"SECRET": "hunter2"}, "start_pattern": "Ready"}
    await daemon.create(MINE, SERVER, **secret)
    made = await daemon.create(OTHER, SERVER, **secret)
    other = await daemon.show(OTHER)
    await daemon.power("start", OTHER)
    browser = await a_browser(daemon, ["console.read", "console.write", "power"])

    async with browser.console(MINE) as connection:
        console = Console(connection)
        assert (await console.next())["data"] == "ready"
        await console.send("power", action="start")
        await console.until("event", "running")
        await console.send("send_command", command="say hi")
        await console.until("console", "got: say hi")
        await console.send("request_logs", lines=1)
        assert (await console.until("logs"))["data"] == "got: say hi\n"
        await console.send("power", action="restart")
        await console.until("daemon_message", "Container restarted")
        await trio.sleep(1.2)  # statistics are taken twice a second, and not for this viewer
        await console.send("power", action="stop")
        await console.until("event", "exit")
        assert {frame["event"] for frame in console.frames} <= {"event", "daemon_message", "console", "logs"}
        assert "Ready" in console.text

    for method, path, body, status in (
        ("GET", f"/containers/{OTHER}", None, (404, "container_not_found")),
        ("GET", f"/containers/{OTHER}/logs", None, (404, "container_not_found")),
        ("POST", f"/containers/{OTHER}/kill", None, (404, "container_not_found")),
        ("GET", f"/ws/{OTHER}", None, (400, "websocket_mismatch")),
        ("GET", f"/operations/{made['operation_id']}", None, (404, "operation_not_found")),
        ("GET", f"/volumes/{other['volume_id']}/files", None, (403, "permission_denied")),
        ("POST", f"/containers/{MINE}/reinstall", {}, (403, "permission_denied")),
        ("DELETE", f"/containers/{MINE}", None, (403, "permission_denied")),
        ("POST", "/containers", {}, (403, "permission_denied")),
        ("POST", "/auth/tokens", {"ttl": "1h"}, (403, "master_token_required")),
        ("GET", "/remote/config", None, (403, "master_token_required")),
    ):
        assert await browser.status(method, path, body) == status, path
    listed = (await browser.ask("GET", "/containers")).json()["containers"]
    assert [row["internal_id"] for row in listed] == [MINE]
    for path in ("", "/events", "/logs"):
        assert "hunter2" not in (await browser.ask("GET", f"/containers/{MINE}{path}")).text
    assert (await daemon.show(OTHER))["state"] == "running"


async def test_token_for_files_has_its_containers_volume_until_that_is_anothers(daemon):
    await daemon.create(MINE, "exec stdin-echo", start_pattern="Ready")
    await daemon.create(OTHER, "exec stdin-echo")
    mine, other = (await daemon.show(MINE))["volume_id"], (await daemon.show(OTHER))["volume_id"]
    browser = await a_browser(daemon, ["files.read", "files.write"], [MINE, "scope-unborn"])
    files = "/files"
    written = await browser.ask("POST", f"/volumes/{mine}{files}", {"path": "motd", "content": "Welcome"})
    assert written.status_code == 200
    assert (await browser.ask("GET", f"/volumes/{mine}/files/content?path=motd")).content == b"Welcome"
    for path in (f"/volumes/{other}{files}", f"/volumes/{other}/files/content?path=motd"):
        assert await browser.status("GET", path) == (404, "volume_not_found")
    await daemon.call("DELETE", f"/containers/{MINE}")
    assert await browser.status("GET", f"/volumes/{mine}{files}") == (404, "volume_not_found")
    await daemon.create("scope-third", "exec stdin-echo", volume_id=mine)
    for path in (files, "/files/content?path=motd", "/quota", ""):
        assert await browser.status("GET", f"/volumes/{mine}{path}") == (404, "volume_not_found")
    heir = await a_browser(daemon, ["files.read"], ["scope-third"])
    assert (await heir.ask("GET", f"/volumes/{mine}/files/content?path=motd")).content == b"Welcome"
