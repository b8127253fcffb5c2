"""The commands for people, on a served daemon with a fake engine: what they say, and their exit codes."""

import argparse
import json
import re
from functools import partial

import pytest
import trio

from lightd.cli import main
from lightd.cli.commands import address, client, completion, events, logs, ps
from lightd.cli.commands.output import Output
from lightd.cli.commands.trouble import Trouble
from lightd.config import file as config_file
from lightd.config.sections import Server
from tests.api.front import TOKEN, open_api, write_file
from tests.support.shell import Job, Paper, Shell

HEAD = "ID  IMAGE  CREATED  STATUS  CPU  MEMORY  PORTS\n"


async def test_ps_shows_every_container(api, shell):
    await api.port(25565)
    await api.create("web", ports=[{"ip": "127.0.0.1", "port": 25565, "container_port": 80}])
    await api.create("bot", "stdin-echo", start_pattern="Ready")
    await api.power("start", "bot")
    code, out, err = await shell("ps")
    assert (code, err) == (0, "")
    assert [line.split("  ")[0].rstrip() for line in out.splitlines()] == ["ID", "bot", "web"]
    ago, size = r"[lL]ess than a second( ago)?|\d+ seconds?( ago)?", r"[0-9.]+[KM]iB"
    running = rf"^bot +lightd-rig:latest +({ago}) +running ({ago}) +(- +-|[0-9.]+% +{size}) +-$"
    assert re.search(running, out, re.MULTILINE), out
    offline = rf"^web +lightd-rig:latest +({ago}) +offline +- +- +127.0.0.1:25565->80/tcp$"
    assert re.search(offline, out, re.MULTILINE), out
    assert (await shell("ps", "-q"))[1] == (await shell("ps", "-a", "-q"))[1] == "bot\nweb\n"
    rows = [json.loads(line) for line in (await shell("ps", "--json"))[1].splitlines()]
    assert [row["internal_id"] for row in rows] == ["bot", "web"]
    assert "\x1b[32mrunning" in (await shell("ps", colours=True, width=100))[1]


async def test_ps_of_an_empty_node_has_a_head_and_nothing_else(shell):
    assert await shell("ps") == (0, HEAD, "")


async def test_power_waits_for_the_outcome(api, shell):
    await api.create("s1", start_pattern="Ready")
    assert await shell("start", "s1") == (0, "s1: started\n", "")
    assert (await api.show("s1"))["state"] == "running"
    assert await shell("restart", "s1") == (0, "s1: restarted\n", "")
    assert await shell("stop", "s1") == (0, "s1: stopped\n", "")
    assert (await api.show("s1"))["state"] == "offline"
    code, out, _ = await shell("kill", "s1", "--json")
    assert code == 0
    assert json.loads(out).items() >= {"internal_id": "s1", "action": "kill", "status": "succeeded"}.items()


async def test_power_that_is_not_waited_for_says_that_it_was_accepted(api, shell):
    await api.create("s1", start_pattern="never")
    assert await shell("start", "s1", "--wait", "0") == (0, "s1: start accepted\n", "")
    code, out, _ = await shell("stop", "s1", "--wait", "0", "--json")
    assert (code, json.loads(out)["status"]) == (0, "accepted")


async def test_power_that_takes_longer_than_it_is_waited_for_is_code_6(api, shell):
    await api.create("s1", start_pattern="never")
    code, out, err = await shell("start", "s1", "--wait", "0.1")
    assert (code, out) == (6, "")
    assert err == "lightd: s1: start not finished within 0.1 seconds\n"


async def test_power_that_fails_says_why(api, shell):
    await api.create("s1")
    api.engine.bound.add((25570, "tcp"))
    await api.port(25570)
    await api.create("s2", ports=[{"ip": "127.0.0.1", "port": 25570}])
    code, _, err = await shell("start", "s2")
    assert code == 1
    assert err.startswith("lightd: s2: start failed: ")
    assert "25570" in err


async def test_command_for_several_containers_reports_each_and_exits_with_the_first_failure(api, shell):
    await api.create("s1", start_pattern="Ready")
    code, out, err = await shell("start", "s1", "ghost")
    assert (code, out, err) == (5, "s1: started\n", "lightd: no such container: ghost\n")
    code, out, _ = await shell("stop", "ghost", "s1", "--json")
    assert code == 5
    told = {line["internal_id"]: line["status"] for line in map(json.loads, out.splitlines())}
    assert told == {"ghost": "failed", "s1": "succeeded"}


@pytest.mark.parametrize("command", ["logs", "console", "events", "start", "stop", "restart", "kill"])
async def test_container_that_is_not_there_is_code_5(shell, command):
    code, out, err = await shell(command, "ghost")
    assert (code, out) == (5, "")
    assert err.endswith("no such container: ghost\n")


@pytest.mark.parametrize("command", ["logs", "inspect", "stop", "rm", "edit"])
async def test_container_that_is_misspelled_is_answered_with_the_one_that_is_like_it(api, shell, command):
    await api.create("server-001")
    code, _, err = await shell(command, "servr-001")
    assert (code, err) == (5, "lightd: no such container: servr-001; did you mean server-001?\n")


@pytest.mark.parametrize("command", [["ps"], ["logs", "x"], ["events"], ["stop", "x"], ["console", "x"]])
async def test_daemon_that_is_not_there_is_code_3(tmp_path, command):
    shell = Shell("http://127.0.0.1:1", tmp_path)
    code, out, err = await shell(*command)
    assert (code, out) == (3, "")
    assert "cannot connect to the daemon at http://127.0.0.1:1" in err
    assert err.count("\n") == 1


async def test_token_that_is_refused_is_code_4(api, shell):
    api.rewrite(authorization={"enabled": True, "token": "lightd_another_token_altogether"})
    await api.post("/remote/config/reload")
    code, _, err = await shell("ps")
    where = f"{shell.folder / 'token'} is not, or no longer, one of its tokens"
    said = f"lightd: rejected by the daemon at {api.url}: a valid token is needed; the token in {where}\n"
    assert (code, err) == (4, said)
    assert (await shell("logs", "s1"))[0] == 4
    assert (await shell("logs", "s1", "-f"))[2] == said


async def test_engine_that_is_down_is_code_1(api, shell):
    await api.create("s1")
    api.engine.go_down()
    await api.wait_engine(up=False)
    assert await shell("start", "s1") == (1, "", "lightd: s1: the container engine does not answer\n")


async def test_crash_inside_of_the_daemon_names_the_request(api, shell, monkeypatch):
    monkeypatch.setattr(api.system, "fleet", None)
    code, _, err = await shell("ps")
    assert code == 1
    assert re.fullmatch(
        r"lightd: an internal error of lightd: [a-z ]+ \(request [0-9a-f]{32} in the daemon's log\)\n", err
    )


async def test_other_answer_is_not_taken_for_lightds(tmp_path):
    async def answer(stream):
        await stream.receive_some(65536)
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, answer, 0, host="127.0.0.1"))
        shell = Shell(f"http://127.0.0.1:{listener.socket.getsockname()[1]}", tmp_path)
        code, _, err = await shell("ps")
        nursery.cancel_scope.cancel()
    assert code == 3
    assert err == f"lightd: the server at {shell.url} is not lightd\n"


async def test_daemon_that_hangs_is_code_3(tmp_path, monkeypatch):
    monkeypatch.setattr(client.Client.ask, "__kwdefaults__", {"patience": 0.1, "body": None})

    async def hang(_stream):
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, hang, 0, host="127.0.0.1"))
        shell = Shell(f"http://127.0.0.1:{listener.socket.getsockname()[1]}", tmp_path)
        code, _, err = await shell("ps")
        nursery.cancel_scope.cancel()
    assert (code, err) == (3, f"lightd: timeout: the daemon at {shell.url} did not answer\n")


# ---- logs


async def test_logs_shows_the_end(api, shell):
    await api.create("s1", "line-printer 5 0", start_pattern="line 5")
    await api.power("start")
    await api.system.fleet.get("s1").wait_until(lambda view: view.state.exit is not None)
    assert await shell("logs", "s1", "-n", "2") == (0, "line 4\nline 5\n", "")
    assert (await shell("logs", "s1"))[1].splitlines()[0] == "line 1"
    assert (await shell("logs", "s1", "-n", "0"))[1] == ""
    said = [json.loads(line) for line in (await shell("logs", "s1", "--json", "-n", "1"))[1].splitlines()]
    assert [(line["line"], line["text"]) for line in said] == [(5, "line 5")]
    out = (await shell("logs", "s1", "-t", "-n", "1"))[1]
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z  line 5\n", out), out
    assert (await shell("logs", "s1", "--grep", "line [24]", "--since", "1h"))[1] == "line 2\nline 4\n"
    assert (await shell("logs", "s1", "--until", "1h"))[1] == ""
    assert (await shell("logs", "s1", "-f", "--grep", "x"))[0] == 2
    assert logs.to_moment(1700000000.5) == "2023-11-14T22:13:20.500Z"
    assert len(logs.to_moment(None)) == len(logs.to_moment(0.0))


async def hostile(process, _words):
    await process.print("\x1b[31mred\x1b[0m \x1b]0;owned\x07\x1b[?1049h\x9b2J")
    while await process.read_line() != "stop":
        pass
    return 0


async def test_container_output_can_not_control_the_terminal(tmp_path):
    async with open_api(tmp_path, programs_too={"hostile": hostile}) as api:
        shell = Shell(api.url, tmp_path)
        await api.create("s1", "hostile", start_pattern="red")
        await api.power("start")
        assert (await shell("logs", "s1"))[1] == "red \n"
        assert (await shell("logs", "s1", colours=True))[1] == "\x1b[31mred\x1b[0m \x1b[0m\n"
        raw = (await shell("logs", "s1", "--json"))[1]
        assert json.loads(raw)["text"].startswith("\x1b[31mred")
        assert raw.rstrip("\n").isprintable()


async def test_logs_follow_to_the_deletion_and_print_each_line_once(api, shell):
    await api.running()
    async with shell.job("logs", "s1", "-f") as job:
        await job.out.until("Ready\n")
        async with api.console() as console:
            await console.send("send_command", command="one")
            await job.out.until("got: one\n")
        await api.call("DELETE", "/containers/s1", wait=20)
        code, out, err = await job.wait()
    assert (code, out.count("got: one"), out.count("Ready")) == (0, 1, 1)
    assert err == "lightd: container s1 was deleted\n"


async def test_logs_that_follow_from_nothing_show_only_what_comes(api, shell):
    await api.running()
    async with shell.job("logs", "s1", "-f", "-n", "0", "--json") as job:
        while not api.system.sockets._held:
            await trio.sleep(0.01)
        async with api.console() as console:
            await console.send("send_command", command="one")
        await job.out.until("got: one")
        assert "Ready" not in job.out.getvalue()
        assert json.loads(job.out.getvalue().splitlines()[-1])["text"] == "got: one"


async def test_replaced_token_ends_what_follows_with_code_4(api, shell):
    await api.running()
    async with shell.job("logs", "s1", "-f") as job:
        await job.out.until("Ready")
        while not api.system.sockets._held:
            await trio.sleep(0.01)
        await api.reload(authorization={"enabled": True, "token": "lightd_another_token_altogether"})
        assert (await job.wait())[0] == 4
    assert "no longer accepts the token" in job.err.getvalue()


# ---- events


async def test_events_are_the_history_of_one_container_or_of_all(api, shell):
    await api.create("s1")
    await api.create("s2")
    code, out, err = await shell("events", "s1")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    told = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  s1  created from lightd-rig:latest; the installation began"
    assert re.fullmatch(told, lines[0]), lines[0]
    assert {line.split("  ")[1] for line in lines} == {"s1"}
    everything = (await shell("events"))[1].splitlines()
    assert {line.split("  ")[1] for line in everything} == {"s1", "s2"}
    assert (await shell("events", "-n", "1"))[1].splitlines() == everything[-1:]
    (entry,) = map(json.loads, (await shell("events", "s2", "-n", "1", "--json"))[1].splitlines())
    assert entry["internal_id"] == "s2"
    assert entry["type"] == "installed"


async def test_events_come_as_they_happen(api, shell):
    await api.create("s1", start_pattern="Ready")
    async with shell.job("events", "-f") as job, shell.job("events", "s1", "-f", "-n", "3", "--json") as one:
        await one.out.until("installed")
        await trio.sleep(0.2)
        await api.power("start")
        await job.out.until("s1  the server is running")
        await one.out.until('"running"')
        await api.power("stop")
        await job.out.until("s1  the server exited with exit code 143")
        await api.call("DELETE", "/containers/s1", wait=20)
        assert (await one.wait())[0] == 0
    types = [json.loads(line)["type"] for line in one.out.getvalue().splitlines()]
    assert types[-3:] == ["stopping", "exit", "deleted"]
    assert types.count("installed") == 1


# ---- where the daemon is


async def test_address_and_the_token_come_from_the_configuration(api, tmp_path):
    port = int(api.url.rpartition(":")[2])
    file = json.loads(api.system.path.read_text())
    path = tmp_path / "cli.json"
    path.write_text(json.dumps({**file, "server": {"host": "0.0.0.0", "port": port}}))
    path.chmod(0o600)
    for environ in ({"LIGHTD_CONFIG": str(path)}, {}):
        job = Job()
        option = [] if environ else ["--config", str(path)]
        await Shell(api.url, tmp_path).run(job, "ps", *option, environ=environ)
        assert job.told == (0, HEAD, "")
    job = Job()
    environ = {"LIGHTD_URL": f"http://localhost:{port}", "LIGHTD_CONFIG": str(path)}
    await Shell(api.url, tmp_path).run(job, "ps", environ=environ)
    assert job.code == 0


async def test_rejected_token_of_a_configuration_names_both_and_says_what_to_do(api, tmp_path):
    port = int(api.url.rpartition(":")[2])
    path = tmp_path / "stale.json"
    server = {"host": "127.0.0.1", "port": port}
    write_file(path, {"authorization": {"token": "lightd_another_token_altogether"}, "server": server})
    job = Job()
    await Shell(api.url, tmp_path).run(job, "ps", "--config", str(path))
    assert job.code == 4
    assert f"rejected by the daemon at {api.url}: " in job.err.getvalue()
    assert f"the token in {path} is not its token" in job.err.getvalue()
    assert "--config" in job.err.getvalue()
    assert "systemctl reload lightd" in job.err.getvalue()


async def test_daemon_that_is_not_there_is_named_with_the_configuration_that_has_its_address(tmp_path):
    path = tmp_path / "down.json"
    write_file(path, {"authorization": {"token": TOKEN}, "server": {"host": "127.0.0.1", "port": 1}})
    job = Job()
    await Shell("", tmp_path).run(job, "ps", "--config", str(path))
    assert job.code == 3
    assert f"at http://127.0.0.1:1, the address in {path}: " in job.err.getvalue()


async def test_configuration_that_nobody_named_is_looked_for_and_said(api, tmp_path, monkeypatch):
    port = int(api.url.rpartition(":")[2])
    first, second = tmp_path / "etc" / "config.json", tmp_path / "lib" / "config.json"
    monkeypatch.setattr(config_file, "PLACES", (first, second))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.json").rename(tmp_path / "aside.json")
    second.parent.mkdir()
    server = {"host": "127.0.0.1", "port": port}
    write_file(second, {"authorization": {"token": TOKEN}, "server": server})
    job = Job()
    await Shell(api.url, tmp_path).run(job, "ps", "--json")
    assert job.told == (0, "", f"lightd: using the configuration {second}\n")
    job = Job()
    await Shell(api.url, tmp_path).run(job, "ps", environ={"LIGHTD_CONFIG": str(tmp_path / "no.json")})
    assert job.code == 2
    assert f"there is no configuration at {tmp_path / 'no.json'}: " in job.err.getvalue()
    second.unlink()
    job = Job()
    await Shell(api.url, tmp_path).run(job, "ps")
    assert job.code == 2
    said = f"no configuration at {tmp_path / 'config.json'} or {first} or {second}: `lightd serve` writes one"
    assert said in job.err.getvalue()
    assert not (tmp_path / "config.json").exists()
    (tmp_path / "aside.json").rename(tmp_path / "config.json")


def find(tmp_path, *arguments, environ=None):
    args = main._to_parser().parse_args(["ps", *arguments])
    if not hasattr(args, "config"):
        args.config = str(tmp_path / "config.json")
    return address.find(args, environ or {})


@pytest.fixture
def configured(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"authorization": {"token": TOKEN}, "server": {"host": "::", "port": 8071}}))
    path.chmod(0o600)
    return tmp_path


def test_wildcard_is_reached_on_the_loopback(configured):
    assert find(configured).url == "http://[::1]:8071"
    assert address.to_url(Server("0.0.0.0", 1)) == "http://127.0.0.1:1"
    assert address.to_url(Server("example.org", 1)) == "http://example.org:1"


def test_master_token_goes_nowhere_else(configured):
    assert find(configured, "--url", "http://localhost:8071").token == TOKEN
    for url in ("http://example.org:8071", "http://localhost:8072", "https://localhost:8071"):
        with pytest.raises(Trouble, match="is not for") as refused:
            find(configured, "--url", url)
        assert refused.value.code == 2
        with pytest.raises(Trouble, match="is not for"):
            find(configured, environ={"LIGHTD_URL": url})


def test_token_is_shown_nowhere(configured):
    assert TOKEN not in repr(find(configured))


@pytest.mark.parametrize("url", ["ftp://x", "http://user:word@x", "x", "http://x/?token=1", ""])
def test_url_that_is_none_is_refused(configured, url):
    with pytest.raises(Trouble, match="must be an http"):
        find(configured, "--url", url)


def test_port_that_the_system_chose_is_not_guessed(configured):
    with pytest.raises(Trouble, match="use --url"):
        address.to_url(Server("127.0.0.1", 0))


def test_no_configuration_is_made_for_a_command(tmp_path):
    with pytest.raises(Trouble, match="no configuration at"):
        find(tmp_path)
    assert not (tmp_path / "config.json").exists()


@pytest.mark.parametrize(
    ("content", "mode", "says"),
    [
        (TOKEN, 0o644, "chmod 600"),
        ("short", 0o600, "must contain a token"),
        (None, 0, "cannot read .*/token: No such file"),
    ],
)
def test_token_file_that_can_not_be_used_says_why(tmp_path, content, mode, says):
    path = tmp_path / "token"
    if content is not None:
        path.write_text(content)
        path.chmod(mode)
    with pytest.raises(Trouble, match=says) as refused:
        find(tmp_path, "--url", "http://x", "--token-file", str(path))
    assert refused.value.code == 2


# ---- the command line itself


@pytest.mark.parametrize(
    "line",
    [
        ["logs"],
        ["logs", "../x"],
        ["logs", "x", "-n", "many"],
        ["logs", "x", "-n", "10001"],
        ["stop", "x", "--wait", "301"],
        ["stop", "x", "--wait", "nan"],
        ["stop"],
        ["ps", "--token", "lightd_0123456789abcdef"],
        ["completion", "tcsh"],
    ],
)
def test_wrong_line_is_code_2(line, capsys):
    with pytest.raises(SystemExit) as ended:
        main.main(line)
    assert ended.value.code == 2
    assert capsys.readouterr().out == ""


def test_number_that_is_too_large_is_told_its_bounds(capsys):
    for line, bounds in (
        (["logs", "x", "-n", "100000"], "argument -n/--lines: must be between 0 and 10000 (got 100000)"),
        (["stop", "x", "--wait", "301"], "argument --wait: must be between 0 and 300 seconds (got 301)"),
    ):
        with pytest.raises(SystemExit):
            main.main(line)
        assert bounds in capsys.readouterr().err


@pytest.mark.parametrize("command", ["ps", "logs", "console", "events", "start", "stop", "restart", "kill"])
def test_every_command_explains_its_exit_codes(command, capsys):
    with pytest.raises(SystemExit):
        main.main([command, "--help"])
    assert "3 no daemon answers" in capsys.readouterr().out


# ---- what is shown of what


def test_names_in_a_table_give_no_orders():
    row = {
        "internal_id": "a",
        "image": "x\x1b[2J[red]",
        "ports": [],
        "install_state": "ready",
        "state": "b\x07",
    }
    texts = [cell.text for cell in ps.to_cells(row, 0.0)]
    assert texts == ["a", "x\\x1b[2J[red]", "-", "b\\x07", "-", "-", "-"]


def test_console_is_printed_once_whatever_is_repeated_and_what_is_missing_is_told():
    out, err = Paper(), Paper()
    printed = logs.Printed(Output(out, err, colours=False, width=None))
    assert printed.to_query() == {}
    printed.end([{"line": 3, "text": "three"}])
    for frame in (
        {"event": "console", "data": "three\nfour\n", "line": 3},
        {"event": "console", "data": "four\n", "line": 4},
        {"event": "stats"},
        {"event": "gap", "missed": 5, "next_line": 10},
        {"event": "console", "data": "ten\n", "line": 10},
    ):
        printed.take(frame)
    assert out.getvalue() == "three\nfour\nten\n"
    assert err.getvalue() == "lightd: 5 lines are missing here\n"
    assert printed.to_query() == {"since_line": 10}


async def test_long_history_is_read_page_by_page(api, shell, monkeypatch):
    monkeypatch.setattr(events, "PAGE", 2)
    await api.running()
    whole = (await api.get("/containers/s1/events"))["events"]
    assert len(whole) > 4
    told = [json.loads(line) for line in (await shell("events", "s1", "--json"))[1].splitlines()]
    assert [entry["seq"] for entry in told] == [entry["seq"] for entry in whole]


def test_event_that_was_told_is_not_told_again():
    out = Paper()
    told = events.Told(Output(out, Paper(), colours=False, width=None), False, "s1", seq=7)
    told.take({"event": "console"})
    told.take({"event": "event", "seq": 7, "data": "running"})
    assert out.getvalue() == ""
    told.take({"event": "event", "seq": 8, "data": "exit", "code": 0})
    assert out.getvalue().endswith("s1  the server exited with exit code 0\n")


async def test_shell_gets_the_ids_that_the_daemon_has(api, shell):
    await api.create("s1")
    await api.create("s2")
    token_file = shell.line("ps")[-1]
    args = argparse.Namespace(url=api.url, token_file=token_file)
    where = ("/containers", "internal_id")

    async def find(prefix, args, *where):
        return await trio.to_thread.run_sync(completion.to_ids, prefix, args, *where)

    assert await find("s", args, *where) == ["s1", "s2"]
    assert await find("x", args, *where) == []
    assert len(await find("", args, "/volumes", "volume_id")) == 2
    assert await find("s", argparse.Namespace(url="nonsense"), *where) == []
    away = argparse.Namespace(url="http://127.0.0.1:1", token_file=token_file)
    assert await find("s", away, *where) == []


@pytest.mark.parametrize("name", completion.SHELLS)
def test_each_shell_has_its_script(name, capsys):
    assert main.main(["completion", name]) == 0
    assert "_ARGCOMPLETE" in capsys.readouterr().out


def test_command_without_a_configuration_is_code_2(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LIGHTD_CONFIG", raising=False)
    monkeypatch.delenv("LIGHTD_URL", raising=False)
    assert main.main(["ps"]) == 2
    (tmp_path / "config.json").write_text("{")
    (tmp_path / "config.json").chmod(0o600)
    assert main.main(["ps"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "malformed JSON" in said.err
    assert "Traceback" not in said.err


def test_doctor_is_a_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LIGHTD_CONFIG", raising=False)
    assert main.main(["doctor", "--json"]) in (0, 1)
    assert json.loads(capsys.readouterr().out)["findings"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (["sotp"], "unknown command: sotp; did you mean stop?"),
        (["volumes", "lss"], "unknown action: lss; did you mean ls?"),
        (["logs", "s1", "--folow"], "unrecognized argument: --folow; did you mean --follow?"),
        (["ps", "extra"], "unrecognized argument: extra"),
        (["ps", "--filter", "colour=red"], "must be KEY=VALUE with one of the keys id, name"),
        (["create", "x", "--image", "y", "--memory", "lots"], "must be a size as in 512M or 2G (got lots)"),
        (["create", "x", "--image", "y", "--env", "NO_SUCH_VARIABLE_HERE"], "there is no variable"),
        (["create", "x", "--image", "y", "--port", "1-2:1-3"], "must be ranges of the same length"),
        (
            ["create", "x", "--image", "y", "--install-script", "/missing"],
            "cannot read /missing: No such file or directory",
        ),
        (
            ["edit", "x", "--env-file", "/missing"],
            "argument --env-file: cannot read /missing: No such file or directory",
        ),
        (
            ["edit", "x", "--stop-command", "stop", "--stop-signal", "INT"],
            "argument --stop-signal: not allowed with argument --stop-command",
        ),
    ],
)
def test_mistake_is_answered_with_the_usage_of_its_command_and_a_suggestion(line, says, capsys):
    with pytest.raises(SystemExit) as ended:
        main.main(line)
    err = capsys.readouterr().err
    assert ended.value.code == 2
    assert says in err
    command = line[0] if line[0] != "sotp" else "[-h]"
    assert err.startswith(f"usage: lightd {command}")


def test_startup_command_follows_two_dashes_and_takes_any_option():
    args = main._to_parser().parse_args(["create", "x", "--image", "y", "--", "java", "--memory", "--", "z"])
    assert (args.startup, args.memory) == (["java", "--memory", "--", "z"], None)
