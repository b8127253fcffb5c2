import pytest

from lightd.engines.container_networks import ContainerNetworks


@pytest.fixture
def inside():
    inside = ContainerNetworks()
    inside.learn(["172.18.0.0/16", "fd12::/64"], ["172.18.0.1", "fd12::1"])
    return inside


@pytest.mark.parametrize(
    "host", ["172.18.0.2", "172.18.255.254", "::ffff:172.18.0.2", "fd12::2", "fd12::2%eth0"]
)
def test_address_of_the_containers_is_inside(inside, host):
    assert inside.holds(host)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "172.17.0.2", "172.19.0.2", "::1", "fd13::2", "::ffff:127.0.0.1", "192.0.2.2"]
)
def test_other_addresses_are_not_inside(inside, host):
    assert not inside.holds(host)


@pytest.mark.parametrize("host", ["172.18.0.1", "fd12::1", "::ffff:172.18.0.1"])
def test_bridge_s_own_address_is_the_host(inside, host):
    assert not inside.holds(host)


def test_no_address_is_inside_before_the_engine_has_told_its_networks():
    assert not ContainerNetworks().holds("172.18.0.2")


def test_network_that_was_made_anew_is_where_it_is_now(inside):
    inside.learn(["10.1.0.0/24"], [])
    assert inside.holds("10.1.0.1")
    assert not inside.holds("172.18.0.2")
