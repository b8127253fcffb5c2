"""What the daemon answers to a process of the SFTP server, also to one that a client has taken over."""

import array
import os
import socket
from contextlib import asynccontextmanager
from functools import partial

import attrs
import pytest
import trio

from lightd.access.gate import Gate
from lightd.access.public_keys import to_key
from lightd.api.panel_logins import PanelGrant, PanelLogin
from lightd.config.sections import Remote
from lightd.panel import sftp_logins
from lightd.panel.answers import Answer
from lightd.sftp import conversation, wire
from lightd.sftp.conversation import Conversation
from lightd.sftp.logins import Logins
from tests.api.front import TOKEN
from tests.api.test_sftp import CREDENTIALS, KEY, PASSWORD
from tests.support.scoped import mint

ADDRESS = "192.0.2.7"


@attrs.define(eq=False)
class Process:
    """The other end of a conversation."""

    sock: object
    descriptor: int | None = None

    async def ask(self, message):
        await self.sock.send(wire.to_bytes(message))
        return await self.next()

    async def next(self):
        with trio.fail_after(60):
            data, ancillary, _, _ = await self.sock.recvmsg(wire.LONGEST, socket.CMSG_SPACE(4))
        for _, _, content in ancillary:
            (self.descriptor,) = array.array("i", content)
        return wire.from_bytes(data) if data else None

    async def login(self, username="s1", password=TOKEN, key=""):
        verdict = await self.ask(wire.Login(username, password, key, ADDRESS))
        return verdict.accepted

    async def enter(self, username="s1", password=TOKEN, key=""):
        assert await self.login(username, password, key)
        accepted = await self.ask(wire.Open(username, key, os.getpid()))
        assert isinstance(accepted, wire.Accepted)
        os.close(self.descriptor)
        return accepted


@attrs.define(eq=False)
class Counterpart:
    """Opens conversations, as the service does."""

    logins: Logins
    live: dict
    nursery: trio.Nursery
    ended: list = attrs.field(factory=list)
    processes: list = attrs.field(factory=list)

    def open(self):
        ours, theirs = trio.socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.nursery.start_soon(self._hold, ours)
        self.processes.append(Process(theirs))
        return self.processes[-1]

    async def _hold(self, sock):
        with sock:
            try:
                first = await conversation.receive(sock)
                if first is not None:
                    await Conversation(self.logins, self.live, sock).hold(first)
            except (wire.Malformed, ConnectionResetError) as error:
                self.ended.append(str(error))

    def look(self):
        return [each.look() for each in list(self.live.values())]


@asynccontextmanager
async def open_desk(api):
    system = api.system
    gate = Gate(
        *(lambda: system.config.authorization, system.tokens, system.clock),
        *(system.fleet.endings, system.attempts),
    )
    logins = Logins(system, gate, b"secret")
    async with trio.open_nursery() as nursery:
        counterpart = Counterpart(logins, {}, nursery)
        try:
            yield counterpart
        finally:
            nursery.cancel_scope.cancel()
            for process in counterpart.processes:
                process.sock.close()


@pytest.fixture
async def counterpart(api):
    await api.create("s1")
    async with open_desk(api) as counterpart:
        yield counterpart


async def test_token_enters_with_the_folder_of_the_volume(api, counterpart):
    process = counterpart.open()
    accepted = await process.enter()
    assert (accepted.read_only, accepted.denied, accepted.limit) == (False, (), None)
    (session,) = (await api.get("/sftp/sessions"))["sessions"]
    assert (session["id"], session["address"], session["method"]) == (accepted.session, ADDRESS, "password")
    process.sock.close()
    while (await api.get("/sftp/sessions"))["sessions"]:
        await trio.sleep(0.01)


async def folder_of(api):
    return api.system.folders.path_of((await api.show())["volume_id"])


async def test_folder_is_handed_over_open(api, counterpart):
    process = counterpart.open()
    await process.login()
    await process.ask(wire.Open("s1", "", 1))
    try:
        assert os.fstat(process.descriptor).st_ino == (await folder_of(api)).stat().st_ino
    finally:
        os.close(process.descriptor)


async def test_open_without_a_login_is_refused(counterpart):
    process = counterpart.open()
    for login, opened in (
        (None, wire.Open("s1", "", 1)),
        ("s1", wire.Open("s2", "", 1)),
        ("s1", wire.Open("s1", KEY, 1)),
    ):
        if login:
            assert await process.login(login)
        assert await process.ask(opened) == wire.Refused("log in first")
    await process.enter()
    assert await process.login()
    assert await process.ask(wire.Open("s1", "", 1)) == wire.Refused("log in first")


async def test_login_is_refused_for_what_it_may_not_reach(api, counterpart):
    await api.create("s2")
    process = counterpart.open()
    reader = await mint(api, containers=["s1"], permissions=["files.read"])
    stranger = await mint(api, containers=["s2"])
    writer = await mint(api, containers=["s1"], permissions=["files.write"])
    for username, password in (
        *(("s1", stranger), ("s1", writer), ("s1", "wrong"), ("s1", ""), ("missing", TOKEN), ("", TOKEN)),
        ("s2", reader),
    ):
        assert not await process.login(username, password)
    assert not await process.login("s1", "", KEY)
    assert (await process.enter("s1", reader)).read_only is True


async def test_credential_enters_by_its_password_and_its_keys(api, counterpart):
    made = await api.post(CREDENTIALS, {"username": "me", "password": PASSWORD, "public_keys": [KEY]})
    keyed = await api.post(CREDENTIALS, {"public_keys": [KEY], "read_only": True})
    process = counterpart.open()
    assert not await process.login("s1", PASSWORD)
    assert not await process.login("me.s1", "wrong password")
    assert (await process.enter("me.s1", PASSWORD)).read_only is False
    other = counterpart.open()
    assert (await other.enter("s1", "", to_key(KEY))).read_only is True
    assert counterpart.look() == [False, False]
    await api.call("DELETE", f"{CREDENTIALS}/{made['id']}")
    await api.call("DELETE", f"{CREDENTIALS}/{keyed['id']}")
    assert counterpart.look() == [False, False]
    assert await process.next() == wire.End("the credential was removed")
    assert await other.next() == wire.End("the credential was removed")


async def test_panel_is_asked_about_users_that_are_not_known_here(api, counterpart):
    asked = []

    async def panel(settings, login):
        asked.append((settings.url, login))
        return (
            PanelGrant(read_only=login.username == "reader", ttl=60.0) if login.password == PASSWORD else None
        )

    counterpart.logins.ask_panel = panel
    assert not await counterpart.open().login("alex.s1", PASSWORD)
    assert asked == []  # it is not configured
    remote = {"enabled": True, "url": "http://127.0.0.1:9/api", "token": "lightd_panel_token_0123456789"}
    await api.reload(remote={**remote, "sftp_auth": True})
    assert not await counterpart.open().login("alex.s1", "wrong")
    assert not await counterpart.open().login("alex.missing", PASSWORD)
    assert not await counterpart.open().login("s1", PASSWORD)
    writer, reader = counterpart.open(), counterpart.open()
    assert (await writer.enter("alex.s1", PASSWORD)).read_only is False
    assert (await reader.enter("reader.s1", PASSWORD)).read_only is True
    question = PanelLogin("alex", "s1", PASSWORD, "", ADDRESS)
    assert asked[1] == ("http://127.0.0.1:9/api", question)
    assert [login.username for _, login in asked] == ["alex", "alex", "reader"]
    assert counterpart.look() == [False, False]
    await api.reload(remote={**remote, "sftp_auth": False})
    counterpart.look()
    assert await writer.next() == wire.End("the panel is no longer asked")


async def test_refusals_of_the_panel_are_limited_for_an_address(api, counterpart):
    asked = []

    async def panel(_settings, login):
        asked.append(login)

    counterpart.logins.ask_panel = panel
    remote = {"enabled": True, "url": "http://127.0.0.1:9/api", "token": "lightd_panel_token_0123456789"}
    await api.reload(remote={**remote, "sftp_auth": True})
    process = counterpart.open()
    for _ in range(30):
        assert not await process.login("alex.s1", "wrong")
    assert len(asked) == 20


async def test_panel_answers_over_http(counterpart):
    heard = []

    async def serve(stream):
        request = b""
        while not request.endswith(b"}"):
            request += await stream.receive_some(4000)
        heard.append(request)
        body = b'{"permissions":["files.read"],"ttl":120}'
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}/api"
        settings = Remote(enabled=True, url=url, token="lightd_panel_token")
        login = PanelLogin("alex", "s1", PASSWORD, "", ADDRESS)
        assert await sftp_logins.ask(settings, login) == PanelGrant(read_only=True, ttl=120.0)
        keyed = attrs.evolve(login, password="", key=KEY)
        assert await sftp_logins.ask(settings, keyed) == PanelGrant(read_only=True, ttl=120.0)
        nursery.cancel_scope.cancel()
    assert heard[0].startswith(b"POST /api/sftp/auth HTTP/1.1\r\n")
    assert b'"password": "correct horse"' in heard[0]
    assert b"password" not in heard[1]
    gone = Remote(enabled=True, url="http://127.0.0.1:9/api", token="lightd_panel_token")
    assert await sftp_logins.ask(gone, login) is None


@pytest.mark.parametrize(
    ("status", "body", "granted"),
    [
        (200, b'{"permissions":["files.read","files.write"]}', PanelGrant(read_only=False, ttl=3600.0)),
        (200, b'{"permissions":["files.read"],"ttl":1e9}', PanelGrant(read_only=True, ttl=86_400.0)),
        (200, b'{"permissions":["files.write"]}', None),
        (200, b'{"permissions":"files.read"}', None),
        (200, b'{"permissions":["files.read"],"ttl":0}', None),
        (200, b'{"permissions":["files.read"],"ttl":true}', None),
        (200, b'{"permissions":["files.read"],"ttl":"1h"}', None),
        (200, b'{"permissions":["files.read"],"ttl":NaN}', None),
        (200, b"[]", None),
        (200, b"", None),
        (200, None, None),
        (204, b'{"permissions":["files.read"]}', None),
        (403, b'{"permissions":["files.read"]}', None),
    ],
)
def test_answer_of_the_panel_grants_only_what_it_says(status, body, granted):
    assert sftp_logins.to_grant(Answer(status, {}, body)) == granted


async def test_password_is_not_looked_at_while_its_address_must_wait(api, counterpart, monkeypatch):
    await api.post(CREDENTIALS, {"password": PASSWORD})
    process = counterpart.open()
    for _ in range(25):
        assert not await process.login("s1", "wrong password")
    assert not await process.login("s1", PASSWORD)
    monkeypatch.setattr(type(api.system.attempts), "wait", lambda *_: 0)
    assert await process.login("s1", PASSWORD)


async def test_single_use_token_enters_once_and_stays_known(api, counterpart):
    token = (await api.post("/auth/tokens", {"ttl": "1h", "remove_on_use": True}))["token"]
    process, other = counterpart.open(), counterpart.open()
    assert await process.login("s1", token)
    assert await other.login("s1", token)
    assert isinstance(await process.ask(wire.Open("s1", "", 1)), wire.Accepted)
    os.close(process.descriptor)
    assert await other.ask(wire.Open("s1", "", 1)) == wire.Refused("the token was used already")
    assert counterpart.look() == [False]
    (session,) = api.system.sftp_sessions.open.values()
    assert api.system.sftp_sessions.credentials() == {session.credential}
    assert api.system.sftp_sessions.processes(session.volume_id) == [1]


async def test_session_ends_with_its_token_its_time_and_its_container(api, counterpart, monkeypatch):
    token = await api.post("/auth/tokens", {"ttl": "1h", "containers": ["s1"]})
    revoked, expired, deleted = counterpart.open(), counterpart.open(), counterpart.open()
    await revoked.enter("s1", token["token"])
    await api.call("DELETE", f"/auth/tokens/{token['id']}")
    counterpart.look()
    assert await revoked.next() == wire.End("the token was revoked")
    short = await api.post("/auth/tokens", {"ttl": "1h"})
    await expired.enter("s1", short["token"])
    with monkeypatch.context() as patch:
        clock = api.system.clock
        patch.setattr(api.system, "clock", lambda: clock() + 4000)
        counterpart.look()
        assert await expired.next() == wire.End("the token has expired")
    await deleted.enter()
    await api.call("DELETE", "/containers/s1", wait=60)
    counterpart.look()
    assert await deleted.next() == wire.End("the container was deleted")
    await api.create("s1")
    again = counterpart.open()
    await again.enter()


async def test_session_of_the_master_token_ends_with_the_token(api, counterpart):
    process = counterpart.open()
    await process.enter()
    await api.reload(authorization={"enabled": True, "token": "lightd_another_master_token"})
    counterpart.look()
    assert await process.next() == wire.End("the token is no longer valid")


async def test_session_that_does_not_end_is_reported_after_a_time(counterpart, monkeypatch):
    process = counterpart.open()
    await process.enter()
    (held,) = counterpart.live.values()
    held._session.end("by hand")
    assert await process.next() == wire.End("by hand")
    assert counterpart.look() == [False]
    monkeypatch.setattr(conversation, "OBEDIENCE", -1.0)
    assert counterpart.look() == [True]
    assert held.pid == os.getpid()


async def test_ticket_goes_on_once_and_only_if_it_is_whole(api, counterpart):
    process = counterpart.open()
    accepted = await process.enter()
    resume = wire.Resume(accepted.session, accepted.ticket, ADDRESS, 7)
    unknown = wire.Refused("lightd does not know this session")
    assert await counterpart.open().ask(resume) == unknown  # it is open
    process.sock.close()
    while counterpart.live:
        await trio.sleep(0.01)
    for forged in (
        attrs.evolve(resume, ticket=accepted.ticket[:-1] + "x"),
        attrs.evolve(resume, ticket="x" + accepted.ticket[1:]),
        attrs.evolve(resume, ticket=""),
        attrs.evolve(resume, session="0" * 32),
    ):
        assert await counterpart.open().ask(forged) == unknown
    again = counterpart.open()
    resumed = await again.ask(resume)
    assert isinstance(resumed, wire.Accepted)
    assert again.descriptor is None
    assert resumed.session == accepted.session
    assert await again.ask(resume) == unknown
    again.sock.close()
    while counterpart.live:
        await trio.sleep(0.01)
    await api.call("DELETE", "/containers/s1", wait=60)
    assert await counterpart.open().ask(resume) == wire.Refused("the container was deleted")


async def test_ticket_of_another_version_is_unknown(counterpart):
    content = b"eyJ1c2VyIjogMX0="
    assert counterpart.logins.from_ticket(f"{content.decode()}.{counterpart.logins._sign(content)}") is None


@pytest.mark.parametrize(
    "message", [wire.Verdict(accepted=True), wire.Hello("", 1, ()), wire.Report((), 1, 0, 0, 0)]
)
async def test_message_out_of_turn_ends_the_conversation(counterpart, message):
    process = counterpart.open()
    await process.sock.send(wire.to_bytes(message))
    assert await process.next() is None
    assert len(counterpart.ended) == 1


async def test_noise_ends_the_conversation(counterpart):
    process = counterpart.open()
    await process.sock.send(b"noise")
    assert await process.next() is None
    assert counterpart.ended == ["not a message"]


async def test_charge_without_a_session_is_not_granted(counterpart):
    assert await counterpart.open().ask(wire.Charge(1, 1)) == wire.Granted(granted=False)


async def test_charges_are_granted_up_to_the_size_of_the_volume(accounted):
    volume = (await accounted.ask("POST", "/volumes", {"size": 4})).json()["volume_id"]
    await accounted.create("s1", volume_id=volume)
    async with open_desk(accounted) as counterpart:
        process = counterpart.open()
        accepted = await process.enter()
        assert (accepted.limit, accepted.counted) == (4 << 20, True)
        megabyte = wire.Charge(1 << 20, 1)
        for _ in range(6):  # what was reserved before and not written is there again
            assert (await process.ask(megabyte)).granted is True
        assert (await process.ask(wire.Charge(5 << 20, 0))).granted is False
        assert (await process.ask(megabyte)).granted is True  # a refusal is not for ever
        file = accounted.system.folders.path_of(volume) / "full"
        file.write_bytes(b"x" * (4 << 20))
        assert (await process.ask(wire.Charge(4 << 20, 0))).granted is False  # now it is measured
        assert (await process.ask(megabyte)).granted is False
        file.unlink()
        assert (await process.ask(megabyte)).granted is True


async def test_reports_are_counted_and_their_changes_bounded(api, counterpart):
    process = counterpart.open()
    accepted = await process.enter()
    changes = tuple(("write", f"/{number}", "") for number in range(60))
    await process.sock.send(wire.to_bytes(wire.Report((*changes, ("rename", "/a", "/b")), 5, 10, 20, 3)))
    assert await process.ask(wire.Charge(0, 0)) == wire.Granted(granted=True)
    (session,) = (await api.get("/sftp/sessions"))["sessions"]
    assert (session["bytes_read"], session["bytes_written"], session["files"]) == (10, 20, 3)
    with trio.fail_after(60):
        while True:
            entries = (await api.get("/audit", limit=1000))["entries"]
            found = [each for each in entries if each["request_id"] == accepted.session]
            if len(found) == 1 + conversation.TOLD + 1:
                break
            await trio.sleep(0.01)
    assert found[0]["route"] == "/containers/s1/sftp/connect"
    assert found[-1]["subject"] == "16 more changes"


async def test_container_has_a_limit_of_sessions(counterpart, monkeypatch):
    monkeypatch.setattr(conversation, "PER_CONTAINER", 2)
    for _ in range(2):
        await counterpart.open().enter()
    process = counterpart.open()
    assert await process.login()
    refused = await process.ask(wire.Open("s1", "", 1))
    assert "has 2 SFTP sessions" in refused.reason


async def test_deny_list_reaches_sessions_and_ends_those_that_it_is_too_long_for(
    api, counterpart, monkeypatch
):
    process = counterpart.open()
    await process.enter()
    await api.call("PATCH", "/containers/s1", {"file_denylist": ["*.jar"]})
    counterpart.look()
    assert await process.next() == wire.Deny((("*.jar",),))
    counterpart.look()
    long = ((("x" * wire.LONGEST),),)
    monkeypatch.setattr(conversation, "_to_lists", lambda *_: long)
    counterpart.look()
    assert await process.next() == wire.End(conversation.TOO_LONG)
    other = counterpart.open()
    assert await other.login()
    assert await other.ask(wire.Open("s1", "", 1)) == wire.Refused(conversation.TOO_LONG)


async def test_volume_that_is_not_there_is_told(api, counterpart):
    (await folder_of(api)).rmdir()
    process = counterpart.open()
    assert await process.login()
    refused = await process.ask(wire.Open("s1", "", 1))
    assert refused.reason.startswith("the volume is not available")


async def test_refused_logins_are_logged_up_to_a_rate(counterpart, caplog):
    process = counterpart.open()
    with caplog.at_level("INFO", "lightd.sftp.conversation"):
        for number in range(150):
            await process.login(f"user{number}", "")
    assert 90 < len([each for each in caplog.records if "login refused" in each.message]) < 150
