"""What it costs to ask who is there: a GET with the master token and with a minted one, beside one unasked.

All three are bursts against one process, in turns, with the same bytes but for the token; what is switched
in between is whether the daemon asks for tokens at all. There are as many minted tokens as there may be.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import httpx
import trio

from tests.bench import figures
from tests.bench.node import Past, a_spec, open_node, write
from tests.bench.requests import Load
from tests.support.daemon import HEADERS

TOKENS = 9_000
AT_MOST = 1.05
UNASKED = "authorization disabled"


def run(report: figures.Report, *, quick: bool) -> None:
    past, path = Past(1), f"/containers/{a_spec(1).internal_id}"
    with tempfile.TemporaryDirectory(prefix="lightd-bench-") as folder:
        trio.run(write, Path(folder), past)
        with open_node(Path(folder), past) as node:
            minted = _mint(node.url, 100 if quick else TOKENS)
            bearers = {
                UNASKED: ("open", HEADERS),
                "the master token": ("guarded", HEADERS),
                "a minted token": ("guarded", {**HEADERS, "Authorization": f"Bearer {minted}"}),
            }
            loads = {
                name: Load(node.url, node.process.pid, path, 400, headers)
                for name, (_, headers) in bearers.items()
            }

            def burst(name: str) -> Callable[[], float]:
                def measure() -> float:
                    node.ask_for_tokens(bearers[name][0])
                    return loads[name]()

                return measure

            measured = [burst(name) for name in loads]
            figures.in_turns(2, *measured)
            for load in loads.values():
                load.cpu.clear()
            figures.in_turns(6 if quick else 60, *measured)
    for name, load in loads.items():
        if name != UNASKED:
            for what, of in (("", figures.median), (", undisturbed", figures.quickest)):
                own, beside = of(load.cpu), of(loads[UNASKED].cpu)
                title = f"GET with {name}, CPU for 1,000{what}"
                report.add(figures.Figure("authentication", title, own, "ms", UNASKED, beside, AT_MOST))


def _mint(url: str, count: int) -> str:
    """Mint so many tokens, and return the last one."""
    token = ""
    with httpx.Client(base_url=url, headers=HEADERS, trust_env=False) as client:
        for _ in range(count):
            token = client.post("/auth/tokens", json={"ttl": "1h"}).raise_for_status().json()["token"]
    return token
