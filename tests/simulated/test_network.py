"""The containers' network: made where it is missing, learnt wherever it is looked at."""

import attrs
import pytest
import trio

from actors.container.engine import EngineUnavailable
from lightd.engines.container_networks import ContainerNetworks
from lightd.engines.docker import recipe
from lightd.engines.docker.network import Network
from lightd.engines.docker.policy import Policy
from lightd.engines.docker.translate import Refused
from lightd.engines.host import uplink

FOUND = {
    **recipe.to_network(),
    "Id": "n1",
    "IPAM": {"Config": [{"Subnet": "172.18.0.0/16", "Gateway": "172.18.0.1"}, {"Subnet": "fd12::/64"}]},
}


@pytest.fixture(autouse=True)
def usual_uplink(monkeypatch):
    monkeypatch.setattr(uplink, "read_mtu", lambda: 1500)


@attrs.define
class Calls:
    """An engine that has ``network``, or makes it; ``refusals`` are said first, by method."""

    network: dict | None = None
    refusals: dict = attrs.field(factory=dict)
    asked: list = attrs.field(factory=list)

    async def get(self, path):
        await trio.lowlevel.checkpoint()
        self._refuse("GET", path)
        if self.network is None:
            raise Refused(404, "no such network")
        return self.network

    async def change(self, method, path, data):
        await trio.lowlevel.checkpoint()
        self._refuse(method, path)
        self.network = {**FOUND, **data}

    def _refuse(self, method, path):
        self.asked.append(f"{method} {path}")
        if status := self.refusals.pop(method, None):
            self.network = self.network or FOUND
            raise Refused(status, "no")


@pytest.mark.parametrize("refusals", [{}, {"POST": 409}])
async def test_network_that_is_missing_is_made_and_then_known(refusals):
    inside, calls = ContainerNetworks(), Calls(refusals=refusals)
    await Network(calls, inside).ensure()
    assert calls.asked == ["GET networks/lightd", "POST networks/create", "GET networks/lightd"]
    assert inside.holds("172.18.0.9")
    assert inside.holds("fd12::9")
    assert not inside.holds("172.18.0.1")


async def test_network_that_exists_is_left_alone_and_known(caplog):
    inside, calls = ContainerNetworks(), Calls(FOUND)
    await Network(calls, inside).ensure()
    assert calls.asked == ["GET networks/lightd"]
    assert inside.holds("172.18.0.9")
    assert caplog.text == ""


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_network_raises_what_the_engine_fails_at(method):
    calls = Calls(refusals={method: 500})
    with pytest.raises(EngineUnavailable):
        await Network(calls, ContainerNetworks()).ensure()


async def test_open_network_is_reported_once(caplog):
    network = Network(Calls({**FOUND, "Options": {}}), ContainerNetworks())
    for _ in range(3):
        assert await network.look()
    assert caplog.text.count("lets containers reach each other") == 1


async def test_network_without_addresses_holds_no_container():
    inside = ContainerNetworks()
    await Network(Calls({**FOUND, "IPAM": {"Config": None}}), inside).look()
    assert not inside.holds("172.18.0.9")


@pytest.mark.parametrize(
    ("configured", "uplinks", "mtu"), [(0, 1400, "1400"), (1300, 1400, "1300"), (0, None, None)]
)
async def test_new_network_has_the_configured_mtu_or_that_of_the_uplink(
    monkeypatch, configured, uplinks, mtu
):
    monkeypatch.setattr(uplink, "read_mtu", lambda: uplinks)
    calls = Calls()
    await Network(calls, ContainerNetworks(), Policy(network_mtu=configured)).ensure()
    assert calls.network["Options"].get("com.docker.network.driver.mtu") == mtu


async def test_network_whose_packets_do_not_fit_through_the_uplink_is_told_once(monkeypatch, caplog):
    monkeypatch.setattr(uplink, "read_mtu", lambda: 1400)
    network = Network(Calls(FOUND), ContainerNetworks())
    for _ in range(3):
        assert await network.look()
    assert caplog.text.count("has an MTU of 1500, but only 1400 bytes fit through") == 1
