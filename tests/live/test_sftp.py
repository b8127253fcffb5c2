"""SFTP on the real command and a real engine: who may log in, what a session sees, and how long it lasts."""

import asyncio
import contextlib
import os
import secrets
import signal

import asyncssh
import pytest
import trio

from tests.support.daemon import TOKEN, USER
from tests.support.sftp import connecting, in_asyncio, listening, processes_of, serving_sftp

ID = "sftp-server"
UID = int(USER.partition(":")[0])
PASSWORD = "correct horse battery"


@pytest.fixture
async def sftp_node(docker, tmp_path):
    async with serving_sftp(tmp_path, ID) as (daemon, port):
        yield daemon, port


async def folder_of(daemon):
    return daemon.folder / "storage" / "volumes" / (await daemon.show(ID))["volume_id"]


async def logs_in(port, username=ID, password=TOKEN, **options):
    async def work():
        try:
            async with connecting(port, username, password, **options) as connection:
                await connection.start_sftp_client()
                return True
        except (asyncssh.PermissionDenied, asyncssh.ConnectionLost, asyncssh.DisconnectError):
            return False

    return await in_asyncio(work)


async def test_files_are_written_by_the_user_of_the_server_and_read_again(sftp_node):
    daemon, port = sftp_node
    content = os.urandom(3_000_000)

    async def work():
        async with connecting(port, ID, TOKEN) as connection, connection.start_sftp_client() as sftp:
            async with sftp.open("world.dat", "wb") as file:
                await file.write(content)
            await sftp.mkdir("maps")
            await sftp.posix_rename("world.dat", "maps/world.dat")
            await sftp.symlink("/maps/world.dat", "absolute")
            await sftp.symlink("maps/world.dat", "relative")
            for name in ("maps/world.dat", "absolute", "relative"):
                async with sftp.open(name, "rb") as file:
                    assert await file.read() == content
            assert await sftp.readlink("absolute") == "/maps/world.dat"
            await sftp.chmod("maps/world.dat", 0o6755)
            await sftp.remove("relative")
            async with sftp.open("maps/world.dat", "rb+") as file:
                await file.write(b"begin")
                await file.seek(len(content))
                await file.write(b"end")
            return sorted(await sftp.listdir("."))

    assert await in_asyncio(work) == [".", "..", "absolute", "maps"]
    folder = await folder_of(daemon)
    written = folder / "maps" / "world.dat"
    assert written.read_bytes() == b"begin" + content[5:] + b"end"
    assert {path.lstat().st_uid for path in folder.rglob("*")} == {UID}
    assert written.stat().st_mode & 0o7777 == 0o755
    assert str((folder / "absolute").readlink()) == "/maps/world.dat"


async def test_path_that_leads_out_of_the_volume_reaches_nothing(sftp_node):
    daemon, port = sftp_node
    folder = await folder_of(daemon)
    outside = daemon.folder / "outside.txt"
    outside.write_text("secret")
    (folder / "out").symlink_to(outside)
    (folder / "etc").symlink_to("/etc")
    (folder / "up").symlink_to("../" * 20 + "etc/passwd")
    os.mkfifo(folder / "fifo")

    async def work():
        async with connecting(port, ID, TOKEN) as connection, connection.start_sftp_client() as sftp:
            for path in (
                *("out", "etc/passwd", "up", "../../etc/passwd", "/etc/passwd", "fifo", "/proc/self/environ"),
                *(str(outside), "/".join([".."] * 30) + "/etc/passwd"),
            ):
                for flags in ("rb", "ab"):
                    with pytest.raises(asyncssh.SFTPError):
                        await sftp.open(path, flags)
            for path in ("..", "/..", "etc/..", "../../.."):
                assert await sftp.realpath(path) == "/"
            assert "passwd" not in await sftp.listdir("/")
            with pytest.raises(asyncssh.SFTPError):
                await sftp.link(str(outside), "linked")
            with pytest.raises(asyncssh.SFTPError):
                await sftp.rename(str(outside), "moved")

    await in_asyncio(work)
    assert outside.read_text() == "secret"


def status_of(process):
    return dict(
        line.split(":\t", 1) for line in (process / "status").read_text().splitlines() if ":\t" in line
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="reads the descriptors of other users' processes")
async def test_process_of_a_session_has_no_privileges_and_no_descriptors_but_its_own(sftp_node):
    daemon, port = sftp_node
    (listener,) = processes_of(daemon.folder)
    entered, done = trio.Event(), asyncio.Event()
    token = trio.lowlevel.current_trio_token()
    loops = []

    async def hold():
        loops.append(asyncio.get_running_loop())
        async with connecting(port, ID, TOKEN) as connection, connection.start_sftp_client() as sftp:
            await sftp.listdir(".")
            token.run_sync_soon(entered.set)
            await done.wait()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(in_asyncio, hold)
        with trio.fail_after(60):
            await entered.wait()
        (session,) = [each for each in processes_of(daemon.folder) if each != listener]
        status = status_of(session)
        assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
        assert status["Uid"].split() == [str(UID)] * 4
        assert status["Groups"].strip() == ""
        assert status["NoNewPrivs"] == "1"
        assert status["Threads"] == "1"
        assert str((session / "root").readlink()) == str(await folder_of(daemon))
        opened = sorted(str(each.readlink()) for each in (session / "fd").iterdir())
        log = str(daemon.folder / "storage" / "sftp" / "server.log")
        own = [each for each in opened if each.startswith(("socket:", "anon_inode:[eventpoll]"))]
        assert [each for each in opened if each not in own] == ["/dev/null", "/dev/null", log]
        assert len(own) == 6  # the client, the daemon, the listener, epoll and the loop's own pair
        loops[0].call_soon_threadsafe(done.set)


async def test_only_those_log_in_who_may_reach_the_files(sftp_node):
    daemon, port = sftp_node
    await daemon.create("sftp-other")

    async def minted(**body):
        return (await daemon.post("/auth/tokens", {"ttl": "1h", **body}))["token"]

    files = ["files.read", "files.write"]
    assert await logs_in(port)
    assert await logs_in(port, ID, await minted())
    assert await logs_in(port, ID, await minted(containers=[ID], permissions=files))
    assert not await logs_in(port, ID, await minted(containers=["sftp-other"], permissions=files))
    assert not await logs_in(port, ID, await minted(containers=[ID], permissions=["files.write"]))
    assert not await logs_in(port, "no-such", TOKEN)
    assert not await logs_in(port, ID, "wrong")
    assert not await logs_in(port, ID, "")
    once = await minted(remove_on_use=True)
    assert await logs_in(port, ID, once)
    assert not await logs_in(port, ID, once)


async def test_token_without_write_can_only_read(sftp_node):
    daemon, port = sftp_node
    (await folder_of(daemon) / "there.txt").write_text("hello")
    body = {"ttl": "1h", "containers": [ID], "permissions": ["files.read"]}
    token = (await daemon.post("/auth/tokens", body))["token"]

    async def work():
        async with connecting(port, ID, token) as connection, connection.start_sftp_client() as sftp:
            async with sftp.open("there.txt", "rb") as file:
                assert await file.read() == b"hello"
            for attempt in (
                lambda: sftp.open("new", "wb"),
                lambda: sftp.open("there.txt", "rb+"),
                lambda: sftp.open("there.txt", "ab"),
                lambda: sftp.remove("there.txt"),
                lambda: sftp.mkdir("new"),
                lambda: sftp.rmdir("new"),
                lambda: sftp.rename("there.txt", "new"),
                lambda: sftp.posix_rename("there.txt", "new"),
                lambda: sftp.symlink("there.txt", "new"),
                lambda: sftp.link("there.txt", "new"),
                lambda: sftp.chmod("there.txt", 0o777),
                lambda: sftp.truncate("there.txt", 0),
                lambda: sftp.utime("there.txt", (1, 1)),
            ):
                with pytest.raises(asyncssh.SFTPError):
                    await attempt()

    await in_asyncio(work)
    assert [path.name for path in (await folder_of(daemon)).iterdir()] == ["there.txt"]
    assert (await folder_of(daemon) / "there.txt").read_text() == "hello"


async def test_key_and_password_of_a_credential_log_in_to_its_container(sftp_node):
    daemon, port = sftp_node
    path = f"/containers/{ID}/sftp/credentials"
    keys = [
        asyncssh.generate_private_key(kind, **options)
        for kind, options in (
            ("ssh-ed25519", {}),
            ("ecdsa-sha2-nistp384", {}),
            ("ssh-rsa", {"key_size": 2048}),
        )
    ]
    public = [key.export_public_key("openssh").decode() for key in keys]
    await daemon.post(path, {"username": "me", "password": PASSWORD, "public_keys": public})
    assert await logs_in(port, f"me.{ID}", PASSWORD)
    for key in keys:
        assert await logs_in(port, f"me.{ID}", None, keys=[key])
        assert not await logs_in(port, ID, None, keys=[key])
    assert not await logs_in(port, f"me.{ID}", None, keys=[asyncssh.generate_private_key("ssh-ed25519")])
    assert not await logs_in(port, f"me.{ID}", f"{PASSWORD} ")
    assert not await logs_in(port, ID, PASSWORD)


@pytest.mark.parametrize("way", ["credential", "token", "container", "session"])
async def test_session_ends_soon_after_what_it_stands_on(sftp_node, way):
    daemon, port = sftp_node
    made = await daemon.post(f"/containers/{ID}/sftp/credentials", {"password": PASSWORD})
    body = {"ttl": "1h", "containers": [ID]}
    token = await daemon.post("/auth/tokens", body)
    password = token["token"] if way == "token" else PASSWORD
    entered = trio.Event()
    here = trio.lowlevel.current_trio_token()

    async def stay():
        async with connecting(port, ID, password) as connection, connection.start_sftp_client() as sftp:
            await sftp.listdir(".")
            here.run_sync_soon(entered.set)
            await connection.wait_closed()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(in_asyncio, stay)
        with trio.fail_after(60):
            await entered.wait()
            (session,) = (await daemon.get("/sftp/sessions"))["sessions"]
            assert (session["internal_id"], session["address"]) == (ID, "127.0.0.1")
            if way == "credential":
                await daemon.call("DELETE", f"/containers/{ID}/sftp/credentials/{made['id']}")
            elif way == "token":
                await daemon.call("DELETE", f"/auth/tokens/{token['id']}")
            elif way == "container":
                await daemon.call("DELETE", f"/containers/{ID}", wait=60)
            else:
                assert (await daemon.call("DELETE", f"/sftp/sessions/{session['id']}"))["was_open"] is True
            while (await daemon.get("/sftp/sessions"))["sessions"]:
                await trio.sleep(0.05)


async def test_session_goes_on_when_the_daemon_is_killed_and_is_known_to_the_next_one(sftp_node):
    daemon, port = sftp_node
    made = await daemon.post(f"/containers/{ID}/sftp/credentials", {"password": PASSWORD})
    half, killed, ended = trio.Event(), asyncio.Event(), trio.Event()
    here = trio.lowlevel.current_trio_token()
    loops = []
    content = secrets.token_bytes(1 << 20)

    async def stay():
        loops.append(asyncio.get_running_loop())
        async with connecting(port, ID, PASSWORD) as connection, connection.start_sftp_client() as sftp:
            async with sftp.open("long.bin", "wb") as file:
                await file.write(content)
                here.run_sync_soon(half.set)
                await killed.wait()
                await file.write(content)
            await connection.wait_closed()
        here.run_sync_soon(ended.set)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(in_asyncio, stay)
        with trio.fail_after(120):
            await half.wait()
            (before,) = (await daemon.get("/sftp/sessions"))["sessions"]
            daemon.kill()
            loops[0].call_soon_threadsafe(killed.set)
            await daemon.start()
            await listening(daemon, ID)
            while [each["id"] for each in (await daemon.get("/sftp/sessions"))["sessions"]] != [before["id"]]:
                await trio.sleep(0.05)
            written = await folder_of(daemon) / "long.bin"
            while written.stat().st_size != 2 * len(content):
                await trio.sleep(0.05)
            assert written.read_bytes() == 2 * content
            await daemon.call("DELETE", f"/containers/{ID}/sftp/credentials/{made['id']}")
            await ended.wait()


async def test_server_that_is_killed_is_started_again_and_keeps_its_keys(sftp_node):
    daemon, port = sftp_node
    before = (await daemon.get(f"/containers/{ID}/sftp"))["host_keys"]
    assert len(before) == 3
    (listener,) = processes_of(daemon.folder)
    os.kill(int(listener.name), 9)
    with trio.fail_after(60):
        while not await logs_in_or_refused(port):
            await trio.sleep(0.1)
    assert (await daemon.get(f"/containers/{ID}/sftp"))["host_keys"] == before


async def logs_in_or_refused(port):
    try:
        return await logs_in(port)
    except OSError:
        return False


async def fill(sftp, megabytes, *, deleted=False):
    async with sftp.open("large", "wb") as file:
        if deleted:
            await sftp.remove("large")
        for _ in range(megabytes):
            await file.write(bytes(1 << 20))


async def test_write_beyond_the_size_of_the_volume_is_refused_and_room_is_found_again(docker, tmp_path):
    async with serving_sftp(tmp_path, ID) as (daemon, port):
        volume_id = (await daemon.post("/volumes", {"size": 10}, status=201))["volume_id"]
        await daemon.create("sftp-small", volume_id=volume_id)

        async def work():
            async with (
                connecting(port, "sftp-small", TOKEN) as connection,
                connection.start_sftp_client() as sftp,
            ):
                room = await sftp.statvfs(".")
                assert room.bsize * room.blocks == 10 << 20
                with pytest.raises(asyncssh.SFTPError, match=r"[Ff]ull|space|quota"):
                    await fill(sftp, 20)
                assert (await sftp.stat("large")).size <= 10 << 20
                await sftp.remove("large")
                with pytest.raises(asyncssh.SFTPError, match=r"[Ff]ull|space|quota"):
                    await fill(sftp, 20, deleted=True)
                async with sftp.open("small", "wb") as file:
                    await file.write(bytes(5 << 20))
                with pytest.raises(asyncssh.SFTPError):
                    await sftp.truncate("small", 1 << 40)

        await in_asyncio(work)
        folder = daemon.folder / "storage" / "volumes" / volume_id
        assert [(path.name, path.stat().st_size) for path in folder.iterdir()] == [("small", 5 << 20)]


async def test_deny_list_holds_by_every_path_and_changes_at_once(sftp_node):
    daemon, port = sftp_node
    await daemon.call("PATCH", f"/containers/{ID}", {"file_denylist": ["secret/", "*.key"]})
    folder = await folder_of(daemon)
    (folder / "secret").mkdir()
    (folder / "secret" / "a.txt").write_text("a")
    (folder / "my.key").write_text("k")
    (folder / "link").symlink_to("secret")
    (folder / "plain").mkdir()
    for path in (folder, *folder.rglob("*")):
        os.chown(path, UID, UID, follow_symlinks=False)

    async def work():
        async with connecting(port, ID, TOKEN) as connection, connection.start_sftp_client() as sftp:
            for path in (
                "secret/a.txt",
                "link/a.txt",
                "plain/../secret/a.txt",
                "my.key",
                "/secret/../my.key",
            ):
                with pytest.raises(asyncssh.SFTPError, match="deny list"):
                    await sftp.open(path, "rb")
                with pytest.raises(asyncssh.SFTPError, match="deny list"):
                    await sftp.stat(path)
            for attempt in (
                lambda: sftp.rename("my.key", "my.txt"),
                lambda: sftp.rename("secret", "open"),
                lambda: sftp.open("new.key", "wb"),
                lambda: sftp.mkdir("plain/secret"),
                lambda: sftp.link("my.key", "hard"),
                lambda: sftp.remove("my.key"),
                lambda: sftp.listdir("link"),
            ):
                with pytest.raises(asyncssh.SFTPError, match="deny list"):
                    await attempt()
            async with sftp.open("plain/fine.txt", "wb") as file:
                await file.write(b"x")
            return await sftp.listdir("plain")

    assert sorted(await in_asyncio(work)) == [".", "..", "fine.txt"]


async def test_session_is_in_the_audit_with_what_it_has_done(sftp_node):
    daemon, port = sftp_node

    async def work():
        async with connecting(port, ID, TOKEN) as connection, connection.start_sftp_client() as sftp:
            async with sftp.open("a.txt", "wb") as file:
                await file.write(b"x")
            await sftp.rename("a.txt", "b.txt")
            await sftp.remove("b.txt")

    await in_asyncio(work)
    wanted = [
        ("connect", None),
        ("write", "/a.txt"),
        ("rename", "/a.txt -> /b.txt"),
        ("remove", "/b.txt"),
        ("disconnect", None),
    ]
    with trio.fail_after(60):
        while True:
            entries = [
                each
                for each in (await daemon.get("/audit", limit=1000))["entries"]
                if each["method"] == "SFTP"
            ]
            found = [(each["route"].rsplit("/", 1)[1], each["subject"]) for each in entries]
            if found == wanted:
                break
            await trio.sleep(0.1)
    assert {each["token_id"] for each in entries} == {"master"}
    assert {each["address"] for each in entries} == {"127.0.0.1"}


async def test_wrong_passwords_are_limited_for_their_address_and_others_are_not(sftp_node):
    daemon, port = sftp_node
    await daemon.post(f"/containers/{ID}/sftp/credentials", {"username": "me", "password": PASSWORD})

    async def guess():
        for _ in range(6):
            with contextlib.suppress(asyncssh.Error):
                async with connecting(port, ID, secrets.token_hex(8)):
                    raise AssertionError("a guess logged in")

    for _ in range(5):
        await in_asyncio(guess)
    assert not await logs_in(port, f"me.{ID}", PASSWORD)
    assert await logs_in(port, ID, TOKEN)  # it was used from this address before


async def test_strangers_lock_nobody_out_and_have_a_limit(sftp_node):
    _, port = sftp_node

    async def work():
        silent = []
        for number in range(70):
            source = (f"127.0.1.{number % 10 + 1}", 0)  # ten addresses, seven connections each
            opening = asyncio.open_connection("127.0.0.1", port, local_addr=source)
            silent.append(await opening)
        try:
            async with connecting(port, ID, TOKEN) as connection, connection.start_sftp_client() as sftp:
                return await sftp.listdir(".")
        finally:
            for _, writer in silent:
                writer.close()

    with trio.fail_after(120):
        assert await in_asyncio(work) == [".", ".."]


async def test_session_that_does_not_obey_is_killed(sftp_node):
    daemon, port = sftp_node
    (listener,) = processes_of(daemon.folder)
    entered, done = trio.Event(), trio.Event()
    here = trio.lowlevel.current_trio_token()

    async def stay():
        with contextlib.suppress(asyncssh.Error, OSError):
            async with connecting(port, ID, TOKEN) as connection, connection.start_sftp_client() as sftp:
                await sftp.listdir(".")
                here.run_sync_soon(entered.set)
                await connection.wait_closed()
        here.run_sync_soon(done.set)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(in_asyncio, stay)
        with trio.fail_after(120):
            await entered.wait()
            (session,) = [each for each in processes_of(daemon.folder) if each != listener]
            os.kill(int(session.name), signal.SIGSTOP)
            (shown,) = (await daemon.get("/sftp/sessions"))["sessions"]
            await daemon.call("DELETE", f"/sftp/sessions/{shown['id']}")
            await done.wait()
            while (await daemon.get("/sftp/sessions"))["sessions"]:
                await trio.sleep(0.05)
    assert processes_of(daemon.folder) == [listener]
