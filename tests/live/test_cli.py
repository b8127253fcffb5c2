import getpass
import importlib.metadata
import json
import logging
import os
import pty
import subprocess
import sys
import types

import pytest
import trio

import lightd
from lightd.cli import main as cli
from lightd.config import file, sections
from lightd.config.version import version

TOKEN = "lightd_0123456789abcdef"
A_TOKEN = 'must be a token: "lightd_" followed by at least 13 printable ASCII characters without spaces'


@pytest.fixture
def run(tmp_path):
    """The real command, in a directory of its own."""
    environ = {key: value for key, value in os.environ.items() if key != "LIGHTD_CONFIG"}
    environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)

    def run(*arguments, stdin="", **more):
        return subprocess.run(
            [sys.executable, "-m", "lightd", *arguments],
            cwd=tmp_path,
            env={**environ, **more},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def config_path(tmp_path):
    """A configuration file with ``TOKEN``."""
    path = tmp_path / "config.json"
    file.create(path)
    file.replace_token(path, TOKEN)
    return path


@pytest.fixture
def here(config_path, monkeypatch):
    """The directory of that file, to work in."""
    monkeypatch.chdir(config_path.parent)
    monkeypatch.delenv("LIGHTD_CONFIG", raising=False)
    return config_path.parent


# ---- the master token


def test_token_what_prints_the_token_and_nothing_else(run, config_path):
    done = run("--token", "what")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"Current Token: {TOKEN}\n", "")


@pytest.mark.parametrize("action", ["what", "reset", "set"])
@pytest.mark.parametrize("option", [[], ["--config", "other.json"], ["--config", "no/such/folder.json"]])
def test_no_command_but_serve_writes_a_file(run, tmp_path, action, option):
    done = run("--token", action, *option, stdin=f"{TOKEN}\n", LIGHTD_CONFIG="" if option else "mine.json")
    path = tmp_path / (option[-1] if option else "mine.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"lightd: there is no configuration at {path}: `lightd serve` writes one when it is started for the "
        "first time; --config PATH names another place\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("action", ["what", "reset"])
def test_configuration_of_the_service_is_found_and_named(tmp_path, monkeypatch, capsys, action):
    service = tmp_path / "service.json"
    monkeypatch.setattr(file, "PLACES", (tmp_path / "no.json", service))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LIGHTD_CONFIG", raising=False)
    file.create(service)
    assert cli.main(["--token", action]) == 0
    out, err = capsys.readouterr()
    assert file.load(service).authorization.token in out
    assert err == f"lightd: using the configuration {service}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["service.json"]


def test_placeholder_is_refused_and_reset_replaces_it(run, config_path):
    document = json.loads(config_path.read_text())
    document["authorization"]["token"] = sections.EXAMPLE_TOKEN
    config_path.write_text(json.dumps(document))
    for arguments in (["serve"], ["--token", "what"], ["ps"]):
        done = run(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(
            f"{config_path}: authorization.token: is the placeholder of the example"
        )
    assert run("--token", "set", stdin=f"{sections.EXAMPLE_TOKEN}\n").returncode == 2
    assert run("--token", "reset").returncode == 0
    assert run("--token", "what").returncode == 0


def test_reset_makes_a_new_token(run, config_path):
    before = json.loads(config_path.read_text())
    done = run("--token", "reset")
    after = json.loads(config_path.read_text())
    token = after["authorization"]["token"]
    assert token != TOKEN
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        f"Token reset successfully!\nNew Token: {token}\n",
        "",
    )
    assert {**after, "authorization": 0} == {**before, "authorization": 0}


@pytest.mark.parametrize("end", ["\n", "\r\n", "", "\nmore\n"])
def test_set_takes_a_line_of_standard_input(run, config_path, end):
    done = run("--token", "set", stdin=f"lightd_fedcba9876543210{end}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "Token set successfully!\n", "")
    assert file.load(config_path).authorization.token == "lightd_fedcba9876543210"


@pytest.mark.parametrize(
    "line", ["", "lightd_short\n", "fedcba9876543210fedcba\n", "lightd_with a space in it\n"]
)
def test_set_refuses_what_is_no_token_and_changes_nothing(run, config_path, line):
    before = config_path.read_bytes()
    done = run("--token", "set", stdin=line)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"lightd: the token {A_TOKEN}; nothing was changed\n"
    assert config_path.read_bytes() == before


@pytest.mark.parametrize(("typed", "code"), [(f"{TOKEN}0", 0), ("", 2)])
def test_set_asks_on_a_terminal_without_showing_what_is_typed(here, monkeypatch, typed, code):
    asked = []

    def ask(prompt):
        asked.append(prompt)
        if not typed:
            raise EOFError
        return typed

    ours, theirs = pty.openpty()
    with os.fdopen(ours, "wb"), os.fdopen(theirs) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        monkeypatch.setattr(getpass, "getpass", ask)
        assert cli.main(["--token", "set"]) == code
    assert asked == ["New token: "]


# ---- the configuration's path and its mistakes


def test_option_wins_over_the_environment(run, config_path, tmp_path):
    other = tmp_path / "other.json"
    done = run("--config", "config.json", "--token", "what", LIGHTD_CONFIG=str(other))
    assert done.stdout == f"Current Token: {TOKEN}\n"
    assert not other.exists()
    done = run("--token", "what", LIGHTD_CONFIG=str(other))
    assert (done.returncode, str(other) in done.stderr) == (2, True)


@pytest.mark.parametrize(
    "arguments", [[], ["serve"], ["--token", "what"], ["--token", "reset"], ["--token", "set"]]
)
def test_wrong_file_is_one_line_a_mistake_and_exit_code_2(run, config_path, arguments):
    config_path.write_text(
        json.dumps({"authorization": {"token": "x"}, "server": {"port": "abc", "prot": 1}})
    )
    before = config_path.read_bytes()
    done = run(*arguments, stdin=f"{TOKEN}\n")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        (
            f"{config_path}: server.prot: unknown field "
            "(known here: host, port, tls, allowed_origins, viewers_per_container, ui)"
        ),
        f'{config_path}: server.port: must be a whole number between 0 and 65535 (got "abc")',
        f"{config_path}: authorization.token: {A_TOKEN}",
    ]
    assert config_path.read_bytes() == before


def test_malformed_json_is_told_by_line_and_column(run, config_path):
    config_path.write_text('{"server":\n  {"port": 80,}}')
    done = run("serve")
    assert done.returncode == 2
    assert done.stderr.startswith(f"{config_path}: line 2, column 1")
    assert done.stderr.count("\n") == 1


def test_file_that_is_open_to_others_is_refused(run, config_path):
    config_path.chmod(0o644)
    done = run("serve")
    assert done.returncode == 2
    assert done.stderr.endswith(f"chmod 600 {config_path}\n")


def test_directory_that_is_not_there_is_not_made(run, tmp_path):
    done = run("serve", "--config", "nowhere/config.json")
    assert done.returncode == 2
    assert done.stderr == f"{tmp_path}/nowhere/config.json: cannot be written: No such file or directory\n"


def test_daemon_without_authorization_refuses_to_listen_beyond_loopback(run, config_path):
    open_to_all = {"authorization": {"enabled": False, "token": TOKEN}, "server": {"host": "0.0.0.0"}}
    config_path.write_text(json.dumps(open_to_all))
    done = run()
    assert done.returncode == 2
    assert done.stderr.startswith(f"{config_path}: server.host: must be a loopback address")


# ---- the command line itself


def test_version_is_told(run):
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"lightd {version()}\n")


def test_source_tree_that_was_never_installed_has_a_version(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert version() == "0.1.0"


def test_help_names_every_command_and_option(run):
    done = run("--help")
    assert done.returncode == 0
    for word in ("serve", "demo", "--config", "--token", "--log-format", "--version"):
        assert word in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["fly"],
        ["--token", "guess"],
        ["--log-format", "xml"],
        ["serve", "--image", "x"],
        ["serve", "--token", "what"],
        ["--token", "what", "serve"],
    ],
)
def test_wrong_command_line_is_exit_code_2(run, tmp_path, arguments):
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert not (tmp_path / "config.json").exists()


# ---- what serve and demo are given, by stand-ins for both


def daemon_that(do):
    """A daemon that does ``do(configuration, started)``."""

    async def run(configuration, *, path, started):
        assert file.load(path) == configuration
        await trio.lowlevel.checkpoint()
        do(configuration, started)

    return types.SimpleNamespace(run=run)


@pytest.mark.parametrize("arguments", [[], ["serve"]])
def test_serve_runs_the_daemon_with_the_configuration(here, monkeypatch, capfd, arguments):
    record = []

    def do(configuration, started):
        record.append(configuration)
        started(["http://127.0.0.1:8070"])

    monkeypatch.setattr(lightd, "daemon", daemon_that(do), raising=False)
    assert cli.main(arguments) == 0
    assert record == [file.load(here / "config.json")]
    line = json.loads(capfd.readouterr().err)
    assert (line["message"], line["version"]) == ("listening on http://127.0.0.1:8070", version())


def test_first_start_says_where_the_token_is(here, monkeypatch, capfd):
    (here / "config.json").unlink()
    monkeypatch.setattr(lightd, "daemon", daemon_that(lambda *_: None), raising=False)
    assert cli.main([]) == 0
    assert f"created {here}/config.json with a new token" in json.loads(capfd.readouterr().err)["message"]


@pytest.mark.parametrize(("host", "said"), [("0.0.0.0", 1), ("127.0.0.1", 0)])
def test_daemon_that_can_be_reached_over_plain_http_is_warned_about(here, monkeypatch, capfd, host, said):
    path = here / "config.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "server": {**content["server"], "host": host}}))
    monkeypatch.setattr(lightd, "daemon", daemon_that(lambda *_: None), raising=False)
    assert cli.main(["serve", "--log-format", "json"]) == 0
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    warnings = [line["message"] for line in lines if line["level"] == "warning"]
    assert len(warnings) == said
    assert all("plain HTTP" in text and "set server.tls" in text for text in warnings)


def test_daemon_that_fails_is_exit_code_1_and_a_log_line_without_secrets(here, monkeypatch, capfd):
    def do(configuration, _):
        raise RuntimeError(configuration.authorization.token)

    monkeypatch.setattr(lightd, "daemon", daemon_that(do), raising=False)
    assert cli.main(["--log-format", "json"]) == 1
    text = capfd.readouterr().err
    assert TOKEN not in text
    assert json.loads(text)["level"] == "critical"
    assert "RuntimeError: lightd_…cdef" in json.loads(text)["exception"]


def test_interrupt_before_the_daemon_minds_it_ends_quietly(here, monkeypatch, capfd):
    def do(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(lightd, "daemon", daemon_that(do), raising=False)
    assert cli.main([]) == 130
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "arguments", [["--log-format", "console", "serve"], ["serve", "--log-format", "console"]]
)
def test_option_may_stand_on_either_side_of_the_command(here, monkeypatch, capfd, arguments):
    monkeypatch.setattr(
        lightd, "daemon", daemon_that(lambda *_: logging.getLogger("x").info("hello")), raising=False
    )
    assert cli.main(arguments) == 0
    assert capfd.readouterr().err.endswith("INFO     x: hello\n")


def test_demo_is_given_its_options_and_needs_no_configuration(here, monkeypatch):
    (here / "config.json").unlink()
    record = []

    def main(args):
        record.append((args.image, args.keep))
        return 7

    monkeypatch.setattr("lightd.cli.demo", types.SimpleNamespace(main=main), raising=False)
    assert cli.main(["demo", "--image", "busybox", "--keep"]) == 7
    assert cli.main(["demo"]) == 7
    assert record == [("busybox", True), (None, False)]
    assert not (here / "config.json").exists()
