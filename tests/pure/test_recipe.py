import attrs
import pytest

from actors.container.engine import Role
from actors.container.spec import EggUse, Installer, Limits, PortBinding
from lightd.engines.docker import recipe, translate
from tests.support.builders import a_spec

LAYOUT = recipe.Layout("n", "/srv/containers", "/srv/volumes")
SPEC = a_spec(
    startup_command="java -jar server.jar", image="image:1", volume_id="v1", environment=(("A", "1"),)
)


def test_names_are_the_same_for_every_attempt():
    assert recipe.to_name("s1", Role.SERVER) == "lightd-s1"
    assert recipe.to_name("s1", Role.INSTALLER) == "lightd.installer-s1"
    assert recipe.to_name("s1", Role.CANDIDATE) == "lightd.next-s1"


@pytest.mark.parametrize(
    "changes", [{"environment": ()}, {"tty": False}, {"limits": Limits(pids=1)}, {"start_pattern": "x"}]
)
def test_fingerprint_is_of_the_attempt_and_of_what_a_container_is_made_of(changes):
    mine = recipe.to_fingerprint(SPEC, 1)
    assert recipe.to_fingerprint(attrs.evolve(SPEC), 1) == mine
    other = attrs.evolve(SPEC, pull="always", labels=(("a", "1"),), display_name="One")
    assert recipe.to_fingerprint(other, 1) == mine
    assert recipe.to_fingerprint(SPEC, 2) != mine
    assert recipe.to_fingerprint(attrs.evolve(SPEC, **changes), 1) != mine


def test_fingerprint_is_that_of_earlier_versions():
    made = "425ef7cdbe71627a80ff1191266f413b3b7fcf88451e83cc948e39684b9953e7"
    assert recipe.to_fingerprint(SPEC, 1) == made


def test_labels_say_who_it_is():
    labels = recipe.to_installer(SPEC, 3, LAYOUT)["Labels"]
    row = {"Id": "e1", "Labels": labels, "State": "running"}
    listed = translate.to_listed(row)
    assert (listed.internal_id, listed.role) == ("s1", Role.INSTALLER)
    assert (labels["lightd.managed"], labels["lightd.node"], labels["lightd.attempt"]) == ("true", "n", "3")


def test_installer_is_root_has_enough_memory_and_no_server_s_ports():
    spec = attrs.evolve(
        SPEC, limits=Limits(memory=1 << 20, pids=5), ports=(PortBinding("0.0.0.0", 1, "tcp", 1),)
    )
    made = recipe.to_installer(spec, 1, LAYOUT)
    assert made["User"] == "0:0"
    assert made["HostConfig"]["Memory"] == recipe.INSTALLER_MEMORY
    assert made["HostConfig"]["PidsLimit"] == recipe.INSTALLER_PIDS
    assert "PortBindings" not in made["HostConfig"]
    assert "ExposedPorts" not in made


def test_no_limit_is_no_key_but_for_processes():
    host = recipe.to_server(SPEC, 1, LAYOUT)["HostConfig"]
    assert not {"Memory", "MemorySwap", "NanoCpus"} & host.keys()
    assert host["PidsLimit"] == recipe.SERVER_PIDS


@pytest.mark.parametrize("to_container", [recipe.to_server, recipe.to_installer])
def test_container_of_any_kind_is_confined(to_container):
    made = to_container(attrs.evolve(SPEC, limits=Limits(memory=2**31)), 1, LAYOUT)
    host = made["HostConfig"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["Memory"] == host["MemorySwap"]
    assert host["LogConfig"] == {
        "Type": "local",
        "Config": {"max-size": "5m", "max-file": "2", "compress": "false", "mode": "blocking"},
    }
    assert host["NetworkMode"] == recipe.NETWORK
    assert [mount["ReadOnly"] for mount in host["Mounts"] if mount["Target"] == recipe.DATA] == [True]
    assert not {"Privileged", "Devices", "Binds", "PidMode", "IpcMode", "UsernsMode"} & host.keys()


@pytest.mark.parametrize(
    ("driver", "options", "closed"),
    [
        ("bridge", {"com.docker.network.bridge.enable_icc": "false"}, True),
        ("bridge", {"com.docker.network.bridge.enable_icc": "true"}, False),
        ("bridge", None, False),
        ("macvlan", {"com.docker.network.bridge.enable_icc": "false"}, False),
    ],
)
def test_network_is_closed_where_its_containers_see_nobody(driver, options, closed):
    assert recipe.is_closed({"Driver": driver, "Options": options}) is closed
    assert recipe.is_closed(recipe.to_network())


def test_environment_of_the_spec_comes_before_ours_only_where_it_may():
    compound = attrs.evolve(
        SPEC,
        startup_command="cd world; ./server",
        environment=(("HOME", "/x"), ("TINI_KILL_PROCESS_GROUP", "no")),
    )
    assert recipe.to_server(compound, 1, LAYOUT)["Env"] == ["HOME=/x", "TINI_KILL_PROCESS_GROUP=1"]
    assert recipe.to_server(SPEC, 1, LAYOUT)["Env"] == ["HOME=/home/container", "A=1"]


def test_one_port_of_the_container_may_have_several_of_the_host():
    ports = (
        PortBinding("1.1.1.1", 10, "tcp", 80),
        PortBinding("2.2.2.2", 20, "tcp", 80),
        PortBinding("1.1.1.1", 10, "udp", 80),
    )
    made = recipe.to_server(attrs.evolve(SPEC, ports=ports), 1, LAYOUT)
    assert made["ExposedPorts"] == {"80/tcp": {}, "80/udp": {}}
    assert made["HostConfig"]["PortBindings"] == {
        "80/tcp": [{"HostIp": "1.1.1.1", "HostPort": "10"}, {"HostIp": "2.2.2.2", "HostPort": "20"}],
        "80/udp": [{"HostIp": "1.1.1.1", "HostPort": "10"}],
    }


# Images that start themselves, and installers with an image of their own

INSTALL = Installer("installers:debian", "bash", "#!/bin/bash\r\necho x\r\n")


def test_entrypoint_of_the_image_is_left_to_it():
    made = recipe.to_server(attrs.evolve(SPEC, entrypoint="image"), 1, LAYOUT)
    assert not {"Entrypoint", "Cmd", "WorkingDir"} & made.keys()
    assert {"STARTUP=java -jar server.jar", "A=1", "HOME=/home/container"} < set(made["Env"])
    assert {"TINI_KILL_PROCESS_GROUP=1", "TINI_SUBREAPER=1"} < set(made["Env"])
    assert made["HostConfig"] == recipe.to_server(SPEC, 1, LAYOUT)["HostConfig"]


def test_installer_with_an_image_has_its_script_where_eggs_expect_it_and_a_terminal():
    spec = attrs.evolve(SPEC, install=INSTALL, limits=Limits(memory=1 << 20))
    made, scripted = recipe.to_installer(spec, 1, LAYOUT), recipe.to_installer(SPEC, 1, LAYOUT)
    assert (made["Image"], made["Tty"], made["User"]) == ("installers:debian", True, "0:0")
    assert made["WorkingDir"] == "/mnt/server"
    mounts = {mount["Target"]: (mount["Source"], mount["ReadOnly"]) for mount in made["HostConfig"]["Mounts"]}
    assert mounts["/mnt/install/install.sh"] == ("/srv/containers/s1/install.sh", True)
    assert mounts["/mnt/server"] == ("/srv/volumes/v1", False)
    assert made["HostConfig"]["Memory"] == recipe.INSTALLER_MEMORY
    same = ("CapAdd", "CapDrop", "SecurityOpt", "PidsLimit", "NetworkMode")
    assert [made["HostConfig"][key] for key in same] == [scripted["HostConfig"][key] for key in same]


def test_installer_has_the_environment_of_its_server():
    egg = EggUse("a", "0123456789ab", (("VERSION", "1.2"),))
    spec = attrs.evolve(SPEC, install=INSTALL, egg=egg, startup_command="run {{VERSION}}")
    env = set(recipe.to_installer(spec, 1, LAYOUT, recipe.Surroundings(timezone="Etc/UTC"))["Env"])
    assert {"VERSION=1.2", "STARTUP=run 1.2", "A=1", "TZ=Etc/UTC", "HOME=/root", "SERVER_IP=0.0.0.0"} < env


def test_fingerprint_is_of_the_egg_and_the_entrypoint_but_not_of_what_is_lightds_own():
    mine = recipe.to_fingerprint(SPEC, 1)
    same = {"install": INSTALL, "start_texts": ("a",), "file_denylist": ("b",)}
    assert recipe.to_fingerprint(attrs.evolve(SPEC, **same), 1) == mine
    named = PortBinding("0.0.0.0", 1, "tcp", 1, "A_PORT")
    assert recipe.to_fingerprint(attrs.evolve(SPEC, ports=(named,)), 1) != recipe.to_fingerprint(
        attrs.evolve(SPEC, ports=(attrs.evolve(named, name=None),)), 1
    )
    for change in ({"entrypoint": "image"}, {"egg": EggUse("a", "0123456789ab")}):
        assert recipe.to_fingerprint(attrs.evolve(SPEC, **change), 1) != mine
