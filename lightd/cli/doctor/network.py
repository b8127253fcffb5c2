"""lightd's network in Docker: whether it exists, isolates containers, and has an MTU that fits the uplink."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lightd.cli.doctor.finding import Area, Finding
from lightd.engines.docker import recipe

_AREA = Area("engine")
AGAIN = (
    f"stop the servers of this engine, docker network rm {recipe.NETWORK}; lightd creates it again at the"
    " next start of a server and reconnects its servers"
)


def to_findings(
    network: Mapping[str, Any] | None, rows: Sequence[Mapping[str, Any]], wanted_mtu: int | None
) -> Iterator[Finding]:
    """What the network and the rows of ``GET /containers/json`` mean. Pure.

    ``wanted_mtu`` is the largest packet that fits through the host's uplink, None if that is not known.
    """
    stale = sum(_is_stale(row, network) for row in rows)
    if network is None:
        text = (
            f"the network {recipe.NETWORK} does not exist; it is created when a server is created or started"
        )
        yield _AREA.good("network", text)
        return
    reconnected = f"; {stale} servers are reconnected to it at their next start" if stale else ""
    yield _AREA.good("network", f"the network {recipe.NETWORK} exists{reconnected}")
    if not recipe.is_closed(network):
        text = (
            f"the network {recipe.NETWORK} was not created by lightd: containers can reach each other on it"
        )
        yield _AREA.bad("isolation", text, AGAIN)
    mtu = recipe.to_mtu(network)
    if wanted_mtu is not None and mtu > wanted_mtu:
        text = f"the network's MTU is {mtu}, but only {wanted_mtu} bytes fit through the uplink"
        yield _AREA.bad("mtu", text, AGAIN)
    elif wanted_mtu is not None:
        yield _AREA.good("mtu", f"the network's MTU is {mtu}, which fits through the uplink ({wanted_mtu})")


def _is_stale(row: Mapping[str, Any], network: Mapping[str, Any] | None) -> bool:
    """Whether a container refers to a network of the name that was removed."""
    named = ((row.get("NetworkSettings") or {}).get("Networks") or {}).get(recipe.NETWORK) or {}
    known = named.get("NetworkID") or ""
    return bool(known) and (network is None or known != network.get("Id"))
