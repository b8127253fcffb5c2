"""IPv4 and IPv6 together: a server on both wildcards of one port, and lightd itself."""

from pathlib import Path

import pytest
import trio

from tests.rig.engine import give_up
from tests.support.daemon import free_port, inspect, open_client, serving

ID = "both-families"
FAMILIES = ("0.0.0.0", "::")


@pytest.fixture(autouse=True)
def both_families():
    if not Path("/proc/net/if_inet6").exists():
        give_up("this machine has no IPv6")


async def test_server_has_one_port_of_both_families(daemon):
    port = free_port()
    ports = [{"ip": ip, "port": port, "container_port": 80} for ip in FAMILIES]
    await daemon.post("/network/ports/bulk", {"ports": [{"ip": ip, "port": port} for ip in FAMILIES]})
    await daemon.create(ID, ports=ports)
    answer = await daemon.power("start", ID)
    assert answer["status"] == "succeeded", answer
    bound = inspect(ID)["NetworkSettings"]["Ports"]["80/tcp"]
    assert sorted((each["HostIp"], each["HostPort"]) for each in bound) == [
        (ip, str(port)) for ip in FAMILIES
    ]
    for host in ("127.0.0.1", "::1"):
        with trio.fail_after(10):
            await (await trio.open_tcp_stream(host, port)).aclose()  # Docker's proxy listens


async def test_two_servers_have_one_port_of_one_family_each(daemon):
    port = free_port()
    await daemon.post("/network/ports/bulk", {"ports": [{"ip": ip, "port": port} for ip in FAMILIES]})
    for n, ip in enumerate(FAMILIES):
        await daemon.create(f"{ID}-{n}", ports=[{"ip": ip, "port": port}])
        assert (await daemon.power("start", f"{ID}-{n}"))["status"] == "succeeded"


async def test_daemon_on_the_wildcard_of_ipv6_answers_both_families(docker, tmp_path):
    port = free_port()
    async with serving(tmp_path, server={"host": "::", "port": port}) as daemon, open_client() as client:
        for host in ("127.0.0.1", "[::1]"):
            assert (await client.get(f"http://{host}:{port}/containers")).status_code == 200
        assert "::ffff:" not in daemon.log.read_text()
