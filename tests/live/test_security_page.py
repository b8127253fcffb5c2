"""What the page of security has an operator do about his firewall, as it stands, in a network of its own."""

import sys

import trio

from tests.rig import engine
from tests.support.page_blocks import all_blocks

PAGE = "docs/security.md"
LISTEN = """
import socket
doors = [socket.create_server(("", port)) for port in (22, 443, 8080)]
input()
"""
KNOCK = """
import socket
def open_(port):
    try:
        socket.create_connection(("10.211.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
print([port for port in (22, 443, 8080) if open_(port)])
"""
SCENE = """
set -euo pipefail
ip link set lo up
{block}
unshare --net sleep 60 & neighbour=$!
sleep 60 | "$1" -c "$2" & doors=$!
trap 'kill $neighbour $doors %%' EXIT
until [ "$(readlink /proc/$neighbour/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do :; done
inside() {{ nsenter --net=/proc/$neighbour/ns/net "$@"; }}
ip link add "$bridge" type bridge
ip address add 10.211.0.1/24 dev "$bridge"
ip link set "$bridge" up
ip link add outer type veth peer name eth0 netns $neighbour
ip link set outer master "$bridge" up
inside ip address add 10.211.0.2/24 dev eth0
inside ip link set eth0 up
until [ "$(ss -ltn | grep -c LISTEN)" = 3 ]; do :; done
echo "$bridge"
inside "$1" -c "$3"
iptables -F INPUT
inside "$1" -c "$3"
"""


async def test_rule_keeps_containers_from_those_ports_of_the_host_and_from_no_others(daemon):
    engine.require_root()
    engine.require("docker", "iptables", "ip", "ss", "unshare", "nsenter")
    (block,) = all_blocks(PAGE, "bash", "sh")
    await daemon.create("security-page")  # the network is there
    command = [
        "unshare",
        "--net",
        "bash",
        "-c",
        SCENE.format(block=block),
        "bash",
        sys.executable,
        LISTEN,
        KNOCK,
    ]
    with trio.fail_after(60):
        done = await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    bridge, closed, flushed = done.stdout.decode().splitlines()
    network = engine.call("GET", "/networks/lightd")
    assert bridge == f"br-{network['Id'][:12]}"
    assert (closed, flushed) == ("[8080]", "[22, 443, 8080]")
