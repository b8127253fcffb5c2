"""The commands that create, change and delete, on a served daemon with a fake engine."""

import json
import os
import stat
import sys
from functools import partial
from pathlib import Path

import pytest
import trio

from lightd.cli.commands.client import Client
from lightd.cli.commands.trouble import Trouble
from tests.support.shell import Job, Shell

IMAGE = ("--image", "lightd-rig:latest")
ECHO = ("--", "stdin-echo")


async def left(api):
    """What is on the node: containers, volumes, ports."""
    containers = (await api.get("/containers"))["containers"]
    volumes, ports = (await api.get("/volumes"))["volumes"], (await api.get("/network/ports"))["ports"]
    return len(containers), len(volumes), [port["port"] for port in ports]


# ---- create


async def test_create_makes_the_volume_and_the_port_and_starts_the_server(api, shell):
    given = ("--port", "25565", "--memory", "1G", "--env", "A=1", "--size", "5G", "--start-pattern", "Ready")
    code, out, err = await shell("create", "mc", *IMAGE, *given, "--start", *ECHO)
    assert (code, out) == (0, "mc\n"), err
    shown = await api.show("mc")
    assert shown["state"] == "running"
    assert shown["limits"]["memory"] == 2**30
    assert shown["environment"] == {"A": "1"}
    assert [port["port"] for port in shown["ports"]] == [25565]
    volume = await api.get(f"/volumes/{shown['volume_id']}")
    assert volume["quota_mb"] == 5 * 1024


async def test_create_uses_a_volume_and_a_port_that_exist(api, shell):
    await api.port(25565)
    _, volume_id, _ = await shell("volumes", "create")
    code, out, err = await shell(
        "create", "mc", *IMAGE, "-v", volume_id.strip(), "-p", "127.0.0.1:25565", "--json", *ECHO
    )
    assert code == 0, err
    assert json.loads(out)["volume_id"] == volume_id.strip()
    assert await left(api) == (1, 1, [25565])


async def test_creation_that_is_refused_leaves_nothing_and_says_so(api, shell):
    await api.create("mc")
    before = await left(api)
    code, out, err = await shell("create", "mc", *IMAGE, "-p", "25570-25571", *ECHO)
    assert (code, out) == (1, "")
    assert "lightd: removed again: port 25571/tcp, port 25570/tcp, volume " in err
    assert await left(api) == before


async def test_installation_that_fails_leaves_nothing_and_shows_why(api, shell, tmp_path):
    script = tmp_path / "install.sh"
    script.write_text("exit 3")
    code, out, err = await shell(
        "create", "mc", *IMAGE, "-p", "25570", "--install-script", str(script), *ECHO
    )
    assert (code, out) == (1, "")
    assert "mc: the installation failed" in err
    assert "removed again: container mc, port 25570/tcp, volume " in err
    assert await left(api) == (0, 0, [])


async def test_creation_names_what_it_could_not_remove_again(api, shell, monkeypatch):
    await api.create("mc")
    ask = Client.ask

    def refuse(client, method, path, **more):
        if (method, path[:9]) == ("DELETE", "/volumes/"):
            raise Trouble(1, "the disk is gone")
        return ask(client, method, path, **more)

    monkeypatch.setattr(Client, "ask", refuse)
    code, _, err = await shell("create", "mc", *IMAGE, *ECHO)
    assert code == 1
    assert " could not be removed again: the disk is gone\n" in err


async def test_start_that_fails_keeps_the_container_and_says_how_to_go_on(api, shell):
    api.engine.bound.add((25570, "tcp"))
    code, _, err = await shell("create", "mc", *IMAGE, "-p", "127.0.0.1:25570", "--start", *ECHO)
    assert code == 1
    assert "mc was created, but its start failed: " in err
    assert "`lightd logs mc`" in err
    assert (await api.show("mc"))["install_state"] == "ready"


async def test_create_without_a_command_starts_the_images_own(shell, api):
    assert (await shell("create", "mc", *IMAGE, "--start-text", "a", "--start-text", "b"))[0] == 0
    shown = await api.show("mc")
    assert (shown["entrypoint"], shown["startup_command"]) == ("image", None)
    assert shown["start_texts"] == ["a", "b"]
    assert (await shell("create", "both", *IMAGE, "--entrypoint", "image", *ECHO))[0] == 0
    shown = await api.show("both")
    assert (shown["entrypoint"], shown["startup_command"]) == ("image", ECHO[1])


async def test_create_with_an_installers_image_runs_its_script_there(shell, api, tmp_path):
    script = tmp_path / "install.sh"
    script.write_text("echo one\n")
    given = ["--install-script", str(script), "--install-image", IMAGE[1]]
    assert (await shell("create", "mc", *IMAGE, *given))[0] == 0
    install = {"image": IMAGE[1], "entrypoint": "sh", "script": "echo one\n"}
    assert (await api.show("mc"))["install"] == install
    code, _, err = await shell("create", "other", *IMAGE, "--install-image", IMAGE[1])
    assert (code, err) == (2, "lightd: --install-image needs --install-script\n")


async def test_create_for_a_shell_without_a_command_says_where_it_goes(shell, api):
    code, _, err = await shell("create", "mc", *IMAGE, "--entrypoint", "shell")
    assert (code, err.startswith("lightd: no startup command: add it at the end, after `--`")) == (2, True)
    assert await left(api) == (0, 0, [])


# ---- rm, inspect


async def test_rm_refuses_a_running_server_and_deletes_it_with_force(api, shell):
    await api.running()
    code, out, err = await shell("rm", "s1")
    assert (code, out, err) == (1, "", "lightd: s1 is running: stop it first, or use --force\n")
    assert await shell("rm", "s1", "--force", "--volumes") == (0, "s1\n", "")
    assert await left(api) == (0, 0, [])
    assert await shell("rm", "s1") == (5, "", "lightd: no such container: s1\n")


async def test_inspect_prints_everything_as_an_array(api, shell):
    await api.create("s1")
    code, out, err = await shell("inspect", "s1", "ghost")
    assert (code, err) == (5, "lightd: no such container: ghost\n")
    assert [each["internal_id"] for each in json.loads(out)] == ["s1"]
    assert json.loads((await shell("inspect", "s1", "--json"))[1]) == json.loads(out)[0]


# ---- edit


async def test_edit_by_options_says_what_applies_when(api, shell):
    await api.create("s1", environment={"A": "1", "B": "2"})
    code, out, err = await shell("edit", "s1", "--restart", "always", "-e", "C=3", "--env-rm", "A")
    assert (code, err) == (0, "")
    assert out == "s1: changed: restart_policy\ns1: changed at the next start: environment\n"
    assert (await api.show("s1"))["environment"] == {"B": "2", "C": "3"}
    code, out, _ = await shell("edit", "s1", "--memory", "1G", "--json")
    assert json.loads(out)["internal_id"] == "s1"


def editor(tmp_path, text):
    path = tmp_path / "editor.py"
    path.write_text(f"import sys, pathlib, json\npath = pathlib.Path(sys.argv[1])\n{text}\n")
    return f"{sys.executable} {path}"


async def test_edit_in_an_editor_sends_what_was_changed(api, shell, tmp_path, monkeypatch):
    await api.create("s1", environment={"SECRET": "x"})
    change = (
        "found = json.loads(path.read_text()); found['environment']['SECRET'] = 'y'\n"
        "assert path.stat().st_mode & 0o77 == 0; path.write_text(json.dumps(found))"
    )
    monkeypatch.setenv("VISUAL", editor(tmp_path, change))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert await shell("edit", "s1") == (0, "s1: changed at the next start: environment\n", "")
    assert (await api.show("s1"))["environment"] == {"SECRET": "y"}
    monkeypatch.setenv("VISUAL", "true")
    assert await shell("edit", "s1") == (0, "", "lightd: nothing was changed\n")
    assert not list(tmp_path.glob("lightd-s1-*"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("path.write_text('{')", "the edited text is not JSON"),
        ("path.write_text('[]')", "the edited text is not a JSON object"),
        ('path.write_text(\'{"pull": "often"}\')', "pull: must be"),
        ("sys.exit(3)", "failed: "),
    ],
)
async def test_edited_text_that_is_refused_is_kept(api, shell, tmp_path, monkeypatch, text, says):
    await api.create("s1")
    monkeypatch.setenv("VISUAL", editor(tmp_path, text))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    code, _, err = await shell("edit", "s1")
    (draft,) = tmp_path.glob("lightd-s1-*")
    assert (code, says in err) == (1, True), err
    assert f"your text is in {draft}" in err


# ---- cp


@pytest.fixture
async def used_volume(api):
    await api.create("s1")
    return (await api.show("s1"))["volume_id"]


async def test_cp_copies_a_file_there_and_back(api, shell, tmp_path, used_volume):
    source = tmp_path / "server.jar"
    source.write_bytes(os.urandom(700_000))
    source.chmod(0o755)
    assert (await shell("cp", str(source), "s1:/home/container/"))[0] == 0
    assert await shell("cp", "s1:server.jar", str(tmp_path / "back")) == (
        0,
        "",
        "lightd: copied 1 file, 683.6KiB\n",
    )
    assert (tmp_path / "back").read_bytes() == source.read_bytes()
    await api.post(f"/volumes/{used_volume}/folders", {"path": "conf"})
    assert (await shell("cp", str(source), "s1:conf"))[0] == 0
    (tmp_path / "into").mkdir()
    assert (await shell("cp", "s1:conf/server.jar", str(tmp_path / "into")))[0] == 0
    assert (tmp_path / "into" / "server.jar").read_bytes() == source.read_bytes()
    assert not list(tmp_path.glob("**/*lightd-part*"))


async def test_cp_copies_a_tree_there_and_back(api, shell, tmp_path, used_volume):
    tree = tmp_path / "world"
    (tree / "region").mkdir(parents=True)
    (tree / "empty").mkdir()
    (tree / "level.dat").write_bytes(b"level")
    (tree / "region" / "Grüße 世界").write_bytes(b"")
    (tree / "run.sh").write_text("#!/bin/sh\n")
    (tree / "run.sh").chmod(0o750)
    (tree / "link").symlink_to("level.dat")
    code, _, err = await shell("cp", str(tree), "s1:saved")
    assert (code, err) == (0, "lightd: copied 3 files, 15B; 1 links and special files were left out\n")
    assert (await shell("cp", f"{tree}/.", "s1:saved"))[0] == 0
    assert (await shell("cp", str(tree), "s1:saved"))[0] == 0
    assert (await shell("cp", "s1:saved", str(tmp_path / "back")))[0] == 0
    back = tmp_path / "back"
    assert (back / "level.dat").read_bytes() == b"level"
    assert (back / "region" / "Grüße 世界").read_bytes() == b""
    assert stat.S_IMODE((back / "run.sh").stat().st_mode) == 0o750
    assert (back / "empty").is_dir()
    assert (back / "world" / "level.dat").read_bytes() == b"level"
    assert (await shell("cp", "s1:saved/.", str(tmp_path / "again")))[0] == 0
    assert (tmp_path / "again" / "level.dat").exists()


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        (("a", "b"), 2, "one of the two paths must be in a container"),
        (("s1:a", "s1:b"), 2, "one of the two paths must be in a container"),
        (("ghost:a", "b"), 5, "no such container: ghost"),
        (("s1:missing", "b"), 1, ""),
        (("/missing", "s1:b"), 1, "/missing: No such file or directory"),
        (("/dev/null", "s1:b"), 1, "/dev/null is not a file or a folder"),
        (("s1:../x", "b"), 1, "Invalid path"),
    ],
)
async def test_copy_that_is_not_possible_says_why(shell, used_volume, line, code, says):
    found, _, err = await shell("cp", *line)
    assert (found, says in err) == (code, True), err


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir])
async def test_file_whose_name_is_not_utf_8_is_named_and_not_copied(shell, tmp_path, used_volume, make):
    (tmp_path / "tree").mkdir()
    make(tmp_path / "tree" / os.fsdecode(b"caf\xe9"))
    code, _, err = await shell("cp", str(tmp_path / "tree"), "s1:tree")
    assert (code, err) == (
        1,
        "lightd: tree/caf\\udce9: the name is not UTF-8, which names in a volume must be\n",
    )


async def test_copy_that_cannot_be_written_here_leaves_no_part(api, shell, tmp_path, used_volume):
    await api.post(f"/volumes/{used_volume}/files", {"path": "a", "content": "x"})
    code, _, err = await shell("cp", "s1:a", str(tmp_path / "missing" / "a"))
    assert (code, "missing" in err) == (1, True), err


async def test_copy_whose_connection_is_lost_leaves_the_file_as_it_was(tmp_path):
    answers = {
        b"/containers/s1 ": b'200 OK\r\n\r\n{"volume_id": "v"}',
        b"/files?": b'400 Bad Request\r\n\r\n{"code": "wrong_kind"}',
        b"/content?": b"200 OK\r\nContent-Length: 100\r\n\r\nonly a part",
    }

    async def answer(stream):
        asked = await stream.receive_some(65536)
        await stream.send_all(b"HTTP/1.1 " + next(text for path, text in answers.items() if path in asked))

    target = tmp_path / "world.zip"
    target.write_text("earlier")
    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, answer, 0, host="127.0.0.1"))
        shell = Shell(f"http://127.0.0.1:{listener.socket.getsockname()[1]}", tmp_path)
        code, _, err = await shell("cp", "s1:world.zip", str(target))
        nursery.cancel_scope.cancel()
    assert (code, target.read_text()) == (3, "earlier")
    assert err.endswith("the connection ended before the whole file was received\n")


# ---- volumes, ports, tokens, the audit


async def test_volumes_are_created_listed_and_removed(api, shell):
    volume_id = (await shell("volumes", "create", "--size", "1G"))[1].strip()
    await api.create("s1")
    code, out, _ = await shell("volumes")
    assert code == 0
    assert out.startswith("VOLUME ID  ")
    assert {line.split()[-1] for line in out.splitlines()[1:]} == {"-", "s1"}
    assert "1GiB" in out
    assert volume_id in (await shell("volumes", "-q"))[1].splitlines()
    assert {
        json.loads(line)["volume_id"] for line in (await shell("volumes", "ls", "--json"))[1].splitlines()
    } > {volume_id}
    used = (await api.show("s1"))["volume_id"]
    code, out, err = await shell("volumes", "rm", volume_id, used, volume_id[:-1] + "f")
    assert (code, out) == (1, f"{volume_id}\n")
    assert err.splitlines()[0].startswith(f"lightd: {used}: ")
    assert json.loads((await shell("volumes", "create", "--json"))[1])["volume_id"]


async def test_ports_are_added_listed_as_ranges_and_removed(api, shell):
    assert (await shell("ports", "add", "25565-25567", "19132/udp"))[1] == "4 ports were added\n"
    await api.create("s1", ports=[{"ip": "0.0.0.0", "port": 25566}])
    out = (await shell("ports"))[1]
    assert [line.split() for line in out.splitlines()[1:]] == [
        ["0.0.0.0:25565/tcp", "-"],
        ["0.0.0.0:25566/tcp", "s1"],
        ["0.0.0.0:25567/tcp", "-"],
        ["0.0.0.0:19132/udp", "-"],
    ]
    assert (await shell("ports", "rm", "25565-25567"))[
        1
    ] == "2 ports were removed; 1 are in use and were kept\n"
    assert json.loads((await shell("ports", "add", "1", "--json"))[1])["count"] == 1
    assert len((await shell("ports", "ls", "--json"))[1].splitlines()) == 3
    assert (await shell("ports", "add", "1"))[0] == 1


async def test_tokens_are_minted_listed_and_revoked(api, shell):
    code, out, err = await shell(
        "token", "new", "--ttl", "1h", "--container", "s1", "--permission", "power", "--once"
    )
    assert (code, out.startswith("lightd_")) == (0, True)
    token_id = err.split()[2]
    assert f"`lightd token rm {token_id}`" in err
    listed = (await shell("token"))[1].splitlines()
    assert [token_id in line and "(single use)" in line and "s1" in line for line in listed[1:]] == [True]
    assert json.loads((await shell("token", "ls", "--json"))[1])["id"] == token_id
    assert await shell("token", "rm", token_id) == (0, f"{token_id}\n", "")
    code, _, err = await shell("token", "rm", token_id)
    assert (code, err) == (5, f"lightd: no such token: {token_id}\n")
    assert json.loads((await shell("token", "new", "--json"))[1])["token"].startswith("lightd_")
    assert "all" in (await shell("token"))[1].splitlines()[-1]


async def test_audit_shows_the_last_calls(api, shell):
    await api.create("s1")
    await api.call("DELETE", "/containers/ghost", status=404)
    code, out, _ = await shell("audit")
    assert code == 0
    assert "POST /containers" in out
    assert out.splitlines()[-1].endswith("DELETE /containers/ghost  404 container_not_found")
    assert len((await shell("audit", "-n", "1"))[1].splitlines()) == 2
    last = json.loads((await shell("audit", "-n", "1", "--json"))[1])
    assert last["route"] == "/containers/ghost"
    assert (await shell("audit", "--since", str(last["seq"]), "--json"))[1] == ""


async def test_node_command_asks_the_daemon_that_is_named_before_or_after_its_action(api, shell, tmp_path):
    where = shell.line("ports")[1:]
    assert where[0] == "--url"
    for line in (("volumes", *where, "ls"), ("volumes", "ls", *where)):
        job = Job()
        await shell.run(job, *line)
        assert job.code == 0, job.err.getvalue()


# ---- statistics


async def test_stats_are_printed_once_where_there_is_no_terminal(api, shell):
    await api.running()
    await api.create("s2")
    with trio.fail_after(20):
        while (await api.get("/stats"))["containers"][0]["current"] is None:
            await trio.sleep(0.05)
    code, out, err = await shell("stats")
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == ["ID", "s1"]
    assert [line.split()[0] for line in (await shell("stats", "-a"))[1].splitlines()] == ["ID", "s1", "s2"]
    assert [line.split()[0] for line in (await shell("stats", "s2"))[1].splitlines()] == ["ID", "s2"]
    (row,) = map(json.loads, (await shell("stats", "--no-stream", "--json"))[1].splitlines())
    assert row["current"]["memory_usage"] > 0
    assert await shell("stats", "ghost") == (5, "", "lightd: no such container: ghost\n")
    head, *lines = (await shell("top"))[1].splitlines()
    assert " 1 of 2 containers running" in head
    assert [line.split()[0] for line in lines] == ["ID", "s1", "s2"]


async def test_top_leaves_out_the_node_for_a_token_that_may_not_see_it(api, shell, tmp_path):
    await api.create("s1")
    minted = await api.post("/auth/tokens", {"ttl": "1h", "containers": ["s1"]})
    (tmp_path / "limited").write_text(minted["token"])
    (tmp_path / "limited").chmod(0o600)
    job = Job()
    await shell.run(job, "top", "--url", api.url, "--token-file", str(tmp_path / "limited"))
    assert (job.code, [line.split()[0] for line in job.out.getvalue().splitlines()]) == (0, ["ID", "s1"])
