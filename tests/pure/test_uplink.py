"""The MTU of the host's uplink, as the kernel's files have it."""

import pytest

from lightd.engines.host import uplink

HEAD = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
DEFAULT_V6 = (
    "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
    "fe800000000000000000000000000001 {metric} 00000001 00000000 00450003 {interface}\n"
)


def row(interface, *, destination="00000000", mask="00000000", metric=0, mtu=0):
    return f"{interface}\t{destination}\t010200C0\t0003\t0\t0\t{metric}\t{mask}\t{mtu}\t0\t0\n"


@pytest.fixture
def uplink_host(tmp_path):
    def make(v4="", v6=None, **mtus):
        (tmp_path / "net").mkdir()
        (tmp_path / "net/route").write_text(HEAD + v4)
        if v6 is not None:
            (tmp_path / "net/ipv6_route").write_text(v6)
        for interface, mtu in mtus.items():
            (tmp_path / "class/net" / interface).mkdir(parents=True)
            (tmp_path / "class/net" / interface / "mtu").write_text(f"{mtu}\n")
        return uplink.read_mtu(tmp_path, tmp_path)

    return make


def test_uplink_is_the_default_route_of_the_lowest_metric(uplink_host):
    table = (
        row("wlan0", metric=600)
        + row("eth0", metric=100)
        + row("docker0", destination="000011AC", mask="0000FFFF")
        + row("tun0", mask="00000080")
    )
    assert uplink_host(table, wlan0=1280, eth0=1400, docker0=900, tun0=800) == 1400


def test_smaller_mtu_of_two_uplinks_of_one_metric_counts(uplink_host):
    assert uplink_host(row("a") + row("b"), a=1500, b=1450) == 1450


def test_routes_own_mtu_counts_where_it_is_smaller(uplink_host):
    assert uplink_host(row("a", mtu=1300), a=1500) == 1300


def test_uplink_of_ipv6_counts_where_there_is_no_other(uplink_host):
    v6 = DEFAULT_V6.format(metric="ffffffff", interface="lo") + DEFAULT_V6.format(
        metric="00000400", interface="ppp0"
    )
    assert uplink_host("", v6, ppp0=1492) == 1492


def test_host_without_an_uplink_has_no_mtu(uplink_host):
    assert uplink_host() is None


def test_interface_that_cannot_be_read_has_no_mtu(uplink_host):
    assert uplink_host(row("gone")) is None


def test_uplink_of_this_machine_is_read_without_a_fault():
    assert uplink.read_mtu() is None or uplink.read_mtu() >= 576
