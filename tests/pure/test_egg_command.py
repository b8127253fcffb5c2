"""``lightd egg``: what it prints, its exit codes, and the blocks of docs/eggs.md."""

import io
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from lightd.cli.commands import egg_files
from lightd.cli.main import main
from tests.support.example_egg import EGG

PAGE = (Path(__file__).parents[2] / "docs/eggs.md").read_text()
FILES = {
    "server.properties": {
        "parser": "properties",
        "find": {"motd": "{{env.MOTD}}", "port": "{{server.build.default.port}}"},
    }
}
MOTD = {"env_variable": "MOTD", "default_value": "\x1b[2Jhi", "rules": "max:8"}


@pytest.fixture
def egg(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = {**EGG["config"], "files": FILES, "logs": {"custom": True}}
    Path("hello.json").write_text(
        json.dumps({**EGG, "config": config, "variables": [MOTD], "file_denylist": ["*.jar"]})
    )
    Path("missing.json").write_text(json.dumps(EGG))


def give(monkeypatch, data):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_check_prints_each_part_of_the_egg_safely(egg, capsys):
    assert main(["egg", "check", "hello.json", "--image", "Java 17"]) == 0
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    titles = [line.split()[0] for line in printed.splitlines()]
    assert titles == [
        *(
            "name",
            "image",
            "command",
            "install",
            "ready",
            "stop",
            "variable",
            "file",
            "denied",
            "hint",
            "ignored",
        )
    ]
    assert "image     example.org/java:17" in printed
    assert "ignored   config.logs" in printed


def test_check_fails_where_something_must_be_filled_in(egg, capsys):
    assert main(["egg", "check", "missing.json", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["missing"] == {"NAME": "must have a value"}
    assert (report["format"], report["stop"]) == ("PTDL_v2", {"command": None, "signal": "SIGINT"})
    assert main(["egg", "check", "missing.json", "-e", "NAME=Bob"]) == 0


def test_egg_without_an_installer_or_a_ready_message_is_checked(egg, capsys, monkeypatch):
    plain = {**EGG, "scripts": {}, "variables": [], "config": {"stop": "quit"}}
    give(monkeypatch, json.dumps(plain).encode())
    assert main(["egg", "check", "-"]) == 0
    printed = capsys.readouterr().out
    assert "ready     as soon as it runs\nstop      the command quit\n" in printed
    assert "install" not in printed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "none.json"], "none.json: cannot be read: No such file or directory"),
        (
            ["check", "quake"],
            "quake: cannot be read: No such file or directory (lightd's own eggs are armagetron, ",
        ),
        (["check", "bad.json"], "bad.json: meta.version: must be one of"),
        (["check", "hello.json", "-e", "MOTD=123456789"], "MOTD: must satisfy the rule max:8"),
        (["check", "hello.json", "-e", "X=1"], "X: the egg has no such variable"),
        (["check", "stop.json"], "stop.json: config.stop: must be a command or ^SIGNAL"),
        (
            ["render", "hello.json", "other"],
            "other: the egg changes no such file (it changes: server.properties)",
        ),
        (["render", "stop.json", "other"], "other: the egg changes no such file (it changes: none)"),
    ],
)
def test_mistake_is_named(egg, capsys, arguments, said):
    Path("bad.json").write_text("{}")
    Path("stop.json").write_text(json.dumps({**EGG, "variables": [], "config": {"stop": "^SIGNOT"}}))
    assert main(["egg", *arguments]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("name", egg_files.to_names())
def test_own_egg_needs_nothing_and_has_only_fields_with_an_effect(capsys, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert main(["egg", "check", name, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["format"], report["ignored"], report["missing"]) == ("PLCN_v3", [], {})
    assert report["ready"]


def test_file_comes_before_an_own_egg_of_its_name(egg, capsys):
    name = egg_files.to_names()[0]
    Path("hello.json").rename(name)
    assert main(["egg", "check", name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == EGG["name"]


def test_export_is_an_egg_again(egg, capsys, monkeypatch):
    assert main(["egg", "export", "hello.json"]) == 0
    written = capsys.readouterr().out
    give(monkeypatch, written.encode())
    assert main(["egg", "export", "-"]) == 0
    assert capsys.readouterr().out == written


def test_render_prints_the_file_and_what_did_not_fit(egg, capsysbinary, monkeypatch):
    files = {"a.json": {"parser": "json", "find": {"a.b": "1", "c": "2"}}}
    Path("tree.json").write_text(json.dumps({**EGG, "variables": [], "config": {"files": files, "stop": ""}}))
    give(monkeypatch, b'{"a": 5}')
    assert main(["egg", "render", "tree.json", "a.json"]) == 0
    printed = capsysbinary.readouterr()
    assert json.loads(printed.out) == {"a": 5, "c": 2}
    assert b"a.json: a.b does not fit this file" in printed.err
    give(monkeypatch, b"{")
    assert main(["egg", "render", "tree.json", "a.json"]) == 1
    assert b"a.json: is not valid JSON" in capsysbinary.readouterr().err


def test_render_reads_the_egg_and_the_file_from_different_places(egg, capsys, monkeypatch):
    give(monkeypatch, Path("hello.json").read_bytes())
    assert main(["egg", "render", "-", "server.properties"]) == 2
    said = "standard input has the egg, so it cannot have server.properties: name the egg's file"
    assert said in capsys.readouterr().err


def test_file_that_cannot_be_printed_is_one_sentence(egg):
    line = f"{sys.executable} -m lightd egg render hello.json server.properties </dev/null >/dev/full"
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(["bash", "-c", line], env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        1,
        "lightd: cannot write the output: No space left on device\n",
    )


def test_every_block_of_the_page_works(egg, capsys, monkeypatch):
    blocks = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        before, pipe, command = block.rpartition("|")
        program, *arguments = shlex.split(command)
        if pipe:
            echo, text = shlex.split(before)
            assert echo == "echo"
            give(monkeypatch, f"{text}\n".encode())
        assert program == "lightd"
        assert main(arguments) == 0
    assert capsys.readouterr().out.endswith("motd=new\nport=25566\n")
