"""The commands about stored eggs, on a served daemon with a fake engine."""

import argparse
import json
import os
import subprocess
import sys

import pytest
import trio

from lightd.cli.commands import completion
from tests.api.front import TOKEN
from tests.api.test_eggs import DEFAULTS, an_egg, values
from tests.support.fake_engine import engine

PORT = ("-p", "127.0.0.1:25565")


@pytest.fixture
def egg_file(tmp_path):
    """Writes an egg file, and returns its path."""

    def write(name="game.json", **changes):
        path = tmp_path / name
        path.write_text(json.dumps(an_egg(**changes)))
        return str(path)

    return write


async def test_egg_is_imported_listed_exported_and_deleted(api, shell, egg_file):
    file = egg_file(odd=1)
    code, out, err = await shell("egg", "import", file)
    version = (await api.get("/eggs/a-game"))["version"]
    assert (code, out) == (0, f"a-game {version}\n")
    assert f"{file}: odd has no effect" in err
    assert (await shell("egg", "import", file))[1] == f"a-game {version} (it was stored already)\n"
    code, out, _ = await shell("egg", "import", file, "--id", "other", "--json")
    assert (code, json.loads(out)["id"]) == (0, "other")
    for line in (("egg",), ("egg", "ls")):
        code, out, _ = await shell(*line)
        assert code == 0
        assert [row.split()[:3] for row in out.splitlines()] == [
            ["EGG", "VERSION", "VERSIONS"],
            ["a-game", version, "1"],
            ["other", version, "1"],
        ]
    for line in (("egg", "-q"), ("egg", "ls", "-q")):
        assert (await shell(*line))[1] == "a-game\nother\n"
    assert [json.loads(row)["id"] for row in (await shell("egg", "ls", "--json"))[1].splitlines()] == [
        "a-game",
        "other",
    ]
    code, out, _ = await shell("egg", "export", "a-game", "--version", version)
    assert (code, json.loads(out)) == (0, (await api.get("/eggs/a-game"))["egg"])
    code, out, _ = await shell("egg", "export", file)
    assert (code, json.loads(out)["meta"]["version"]) == (0, "PLCN_v3")
    assert (await shell("egg", "rm", "a-game", "other"))[:2] == (0, "a-game\nother\n")
    assert (await api.get("/eggs"))["eggs"] == []


async def test_own_egg_is_imported_by_its_name_under_that_id(api, shell):
    code, out, err = await shell("egg", "import", "wesnoth", "bzflag")
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == ["wesnoth", "bzflag"]
    assert (await api.get("/eggs/wesnoth"))["egg"]["name"] == "The Battle for Wesnoth"


async def test_mistake_of_a_command_is_a_sentence_and_an_exit_code(api, shell, egg_file, tmp_path):
    file = egg_file()
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "latin").write_bytes(b"\xff")
    (tmp_path / "large").write_bytes(b"x" * (1024 * 1024 + 1))
    await shell("egg", "import", file)
    for line, code, said in (
        (("egg", "import", file, file, "--id", "x"), 2, "--id is for one file"),
        (("egg", "import", str(tmp_path / "none")), 2, "cannot be read: No such file"),
        (("egg", "import", str(tmp_path / "latin")), 2, "is not UTF-8"),
        (("egg", "import", str(tmp_path / "large")), 2, "must not be larger than"),
        (("egg", "import", str(tmp_path / "bad.json"), file), 1, "bad.json: is not valid JSON"),
        (("egg", "rm", "a-gam"), 5, "no such egg: a-gam; did you mean a-game?"),
        (("egg", "export", "a-gamy"), 5, "no such egg: a-gamy; did you mean a-game?"),
        (("egg", "export", "a-game", "--version", "0" * 16), 5, "has no such version: a-game"),
        (("create", "mc", "--egg", "a-gime"), 5, "no such egg: a-gime; did you mean a-game?"),
        (("create", "mc", "--egg", "a-game", "-e", "NAEM=x"), 2, "no variable NAEM; did you mean NAME?"),
        (("create", "mc"), 2, "no image: add --image IMAGE, or --egg EGG"),
        (("create", "mc", "--egg", "a-game", "-e", "NAME=Roberta"), 1, "variables.NAME: must satisfy"),
        (("egg", "upgrade", "mc"), 5, "no such container: mc"),
    ):
        found = await shell(*line)
        assert found[0] == code, (line, found)
        assert said in found[2], (line, found)
    assert (await api.get("/containers"))["containers"] == []
    assert (await api.get("/volumes"))["volumes"] == []


async def test_create_from_an_egg_sets_its_variables_and_says_what_is_missing(api, shell, egg_file):
    await shell("egg", "import", egg_file())
    line = ("create", "mc", "--egg", "a-game", "-e", "NAME=Bob", "-e", "OTHER=1", "--image", "Java 17", *PORT)
    code, out, err = await shell(*line, "-m", "1G")
    assert (code, out) == (0, "mc\n")
    assert "installing mc from a-game" in err
    assert "mc: LICENCE must have a value before it can start: lightd edit mc -e LICENCE=VALUE" in err
    shown = await api.show("mc")
    assert (shown["egg"]["id"], shown["entrypoint"], shown["pull"]) == ("a-game", "image", "never")
    assert (shown["environment"], shown["limits"]["memory"]) == ({"OTHER": "1"}, 2**30)
    assert await values(api, "mc") == {**DEFAULTS, "NAME": "Bob"}
    inspected = json.loads((await shell("inspect", "mc"))[1])[0]
    assert inspected["egg"] == shown["egg"]
    assert {each["env"]: each["value"] for each in inspected["variables"]} == {**DEFAULTS, "NAME": "Bob"}
    code, _, err = await shell("egg", "rm", "a-game")
    assert (code, "the egg a-game is used by: mc" in err) == (1, True)


async def test_create_from_an_egg_starts_the_server(api, shell, egg_file):
    await shell("egg", "import", egg_file())
    line = ("create", "mc", "--egg", "a-game", "-e", "LICENCE=yes", "--start", "--json")
    code, out, _ = await shell(*line, "--entrypoint", "shell", "--", "stdin-echo")
    assert (code, json.loads(out)["started"]) == (0, True)
    assert (await api.show("mc"))["entrypoint"] == "shell"
    code, _, err = await shell("create", "two", "--egg", "a-game", "--start")
    assert code == 1
    assert "two was created, but its start failed: variables must be filled in first" in err


async def test_further_port_with_a_name_sets_a_variable(api, shell, egg_file):
    await shell("egg", "import", egg_file())
    code, _, err = await shell("create", "mc", "--egg", "a-game", *PORT, "-p", "NAME=127.0.0.1:25566:99/udp")
    assert code == 0, err
    assert [port.get("name") for port in (await api.show("mc"))["ports"]] == [None, "NAME"]
    assert (await values(api, "mc"))["NAME"] == "99"


async def test_edit_of_a_container_of_an_egg_sets_its_variables(api, shell, egg_file):
    await shell("egg", "import", egg_file())
    await shell("create", "mc", "--egg", "a-game")
    code, out, err = await shell("edit", "mc", "-e", "NAME=Bob", "-e", "OTHER=1")
    assert code == 0
    assert out == "mc: changed at the next start: NAME\nmc: changed at the next start: environment\n"
    assert "LICENCE must have a value" in err
    assert (await api.show("mc"))["environment"] == {"OTHER": "1"}
    code, out, _ = await shell("edit", "mc", "-e", "LICENCE=yes", "--env-rm", "NAME", "--json")
    assert json.loads(out)["at_next_start"] == ["LICENCE", "NAME"]
    assert await values(api, "mc") == {**DEFAULTS, "LICENCE": "yes"}
    code, out, _ = await shell("edit", "mc", "--env-rm", "OTHER", "-m", "1G")
    assert (await api.show("mc"))["environment"] == {}
    code, _, err = await shell("edit", "mc", "-e", "NAEM=x")
    assert (code, "no variable NAEM; did you mean NAME?" in err) == (2, True)


async def test_upgrade_says_what_it_changes(api, shell, egg_file):
    await shell("egg", "import", egg_file())
    await shell("create", "mc", "--egg", "a-game", "-e", "LICENCE=yes", "--stop-command", "quit")
    first = (await api.show("mc"))["egg"]["version"]
    assert (await shell("egg", "upgrade", "mc"))[1] == f"mc: has version {first} of its egg already\n"
    config = {"files": "{}", "startup": "{}", "logs": "{}", "stop": "stop"}
    await shell("egg", "import", egg_file(config=config, file_denylist=["*.jar"], variables=[]))
    code, out, _ = await shell("egg", "upgrade", "mc")
    second = (await api.show("mc"))["egg"]["version"]
    assert code == 0
    assert out.splitlines() == [
        f"mc: {first} -> {second}",
        "mc: changed: file_denylist",
        "mc: changed at the next start: start_texts",
        "mc: kept, because it was changed here: stop",
        "mc: variables removed: NAME, LICENCE, FIXED, HIDDEN, PASSWORD",
    ]
    out = (await shell("egg", "upgrade", "mc", "--version", first, "--json"))[1]
    assert json.loads(out)["egg"]["version"] == first
    assert (await shell("inspect", "mc", "--json"))[0] == 0
    assert (await api.show("mc"))["image"] == engine.RIG_IMAGE


async def test_names_of_eggs_are_completed(api, shell, egg_file, tmp_path):
    await shell("egg", "import", egg_file())
    (tmp_path / "token").write_text(TOKEN)
    asked = argparse.Namespace(url=api.url, token_file=str(tmp_path / "token"))

    def complete():
        return completion.to_ids("a", asked, "/eggs", "id")

    assert await trio.to_thread.run_sync(complete) == ["a-game"]


@pytest.mark.parametrize("line", [("egg", "ls"), ("egg", "import", "-"), ("create", "x", "--egg", "y")])
def test_command_about_stored_eggs_does_not_load_what_parses_eggs(line, tmp_path):
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "token").chmod(0o600)
    options = ["--url", "http://127.0.0.1:1", "--token-file", str(tmp_path / "token")]
    program = (
        "import sys; from lightd.cli import main\n"
        f"code = main.main({[line[0], *options, *line[1:]]!r})\n"
        "print(code, [name for name in ('re2', 'ruamel', 'trio', 'lightd.eggs') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input="{}",
        capture_output=True,
        text=True,
        env=dict(os.environ),
        check=True,
    )
    assert "cannot connect to the daemon" in done.stderr
    assert done.stdout.splitlines()[-1] == "3 []"
