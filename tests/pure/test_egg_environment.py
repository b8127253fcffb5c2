"""The environment of servers and installers, from a spec alone."""

import attrs
import pytest

from actors.container.spec import EggUse, Limits, PortBinding
from lightd.eggs.environment import to_environment, to_server
from lightd.engines.host.timezone import find_timezone
from tests.support.builders import a_spec

GAME = PortBinding("0.0.0.0", 30000, "udp", 2456)
QUERY = PortBinding("0.0.0.0", 30001, "udp", 2457, "QUERY_PORT")
PLAIN = a_spec(startup_command="run {{A}} {{SERVER_PORT}}", environment=(("A", "1"),), ports=(GAME, QUERY))
EGG = attrs.evolve(
    PLAIN,
    startup_command="run --name {{WORLD}} --port {{ SERVER_PORT }} --query {{QUERY_PORT}}"
    " -Xmx{{SERVER_MEMORY}}M {{A}} {{NOBODY}}",
    egg=EggUse("valheim", "0123456789ab", (("WORLD", "Midgård"), ("A", "of the egg"))),
    limits=Limits(memory=2 * 1024**3),
)


def test_environment_without_an_egg_is_its_own_and_the_names_of_its_ports():
    found = to_environment(PLAIN)
    assert dict(found.variables) == {"QUERY_PORT": "2457", "A": "1"}
    assert found.command == PLAIN.startup_command


def test_environment_of_an_egg_has_what_eggs_rely_on():
    found = to_environment(EGG, "Europe/Berlin")
    command = "run --name Midgård --port 2456 --query 2457 -Xmx2048M 1 {{NOBODY}}"
    assert dict(found.variables) == {
        "TZ": "Europe/Berlin",
        "STARTUP": command,
        "SERVER_MEMORY": "2048",
        "SERVER_IP": "0.0.0.0",
        "SERVER_PORT": "2456",
        "P_SERVER_UUID": "volume",
        "WORLD": "Midgård",
        "QUERY_PORT": "2457",
        "A": "1",
    }
    assert found.command == command


def test_environment_of_an_image_that_starts_itself_is_that_of_an_egg_without_variables():
    found = dict(to_environment(attrs.evolve(PLAIN, entrypoint="image")).variables)
    assert (found["STARTUP"], found["SERVER_MEMORY"], found["A"]) == ("run 1 2456", "0", "1")
    without = attrs.evolve(PLAIN, entrypoint="image", startup_command="", ports=())
    assert (dict(to_environment(without).variables)["STARTUP"]) == ""
    assert (dict(to_environment(without).variables)["SERVER_PORT"]) == ""


@pytest.mark.parametrize("name", ["TZ", "STARTUP", "SERVER_PORT", "WORLD", "QUERY_PORT"])
def test_own_environment_replaces_every_other_variable(name):
    spec = attrs.evolve(EGG, environment=((name, "own"),))
    found = to_environment(spec)
    assert dict(found.variables)[name] == "own"
    assert [each for each, _ in found.variables].count(name) == 1


def test_value_of_a_variable_is_not_filled_in_again():
    spec = attrs.evolve(EGG, startup_command="{{A}}", environment=(("A", "{{WORLD}} $(id)"),))
    assert to_environment(spec).command == "{{WORLD}} $(id)"


def test_command_that_its_variables_make_too_long_is_refused():
    egg = EggUse("a", "0123456789ab", (("A", "x" * 60_000),))
    with pytest.raises(ValueError, match="more than 131072 characters"):
        to_environment(a_spec(startup_command="{{A}}{{A}}{{A}}", egg=egg))


def test_placeholders_of_files_know_the_named_ports():
    server = to_server(EGG, "172.18.0.1")
    assert (server.uuid, server.port, server.memory_mb, server.interface) == (
        "volume",
        2456,
        2048,
        "172.18.0.1",
    )
    assert server.variables == {"WORLD": "Midgård", "A": "of the egg", "QUERY_PORT": "2457"}


@pytest.mark.parametrize(
    ("target", "zone"),
    [
        ("/usr/share/zoneinfo/Europe/Berlin", "Europe/Berlin"),
        ("../usr/share/zoneinfo/Etc/UTC", "Etc/UTC"),
        ("/usr/share/zoneinfo/America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"),
        ("/srv/elsewhere", "UTC"),
        ("/usr/share/zoneinfo/a\nb", "UTC"),
    ],
)
def test_timezone_is_the_one_that_the_link_names(tmp_path, target, zone):
    link = tmp_path / "localtime"
    link.symlink_to(target)
    assert find_timezone(link) == zone


def test_timezone_of_a_host_without_one_is_utc(tmp_path):
    assert find_timezone(tmp_path / "localtime") == "UTC"
