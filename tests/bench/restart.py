"""How soon a killed daemon serves again, and says of each of many real containers what Docker says.

While it is dead some that ran are killed and some that rested are started: what it remembers is wrong.
"""

import time
import uuid

import trio

from tests.bench import figures
from tests.bench.clients import Api
from tests.bench.installation import open_daemon
from tests.support.crowd import Crowd
from tests.support.daemon import Daemon

MANY = 200
FEW = 20
SERVING_SECONDS = 2.0
TRUE_SECONDS = 5.0


def run(report: figures.Report, *, quick: bool) -> None:
    with open_daemon() as daemon:
        crowd = Crowd(daemon, FEW if quick else MANY, uuid.uuid4().hex[:8])
        trio.run(crowd.gather)
        laps = [_restart(daemon, crowd) for _ in range(1 if quick else 5)]
    serving, true = (figures.median(lap[stage] for lap in laps) for stage in (0, 1))
    size = crowd.size
    report.add(figures.Figure("restart", f"{size}: serving after", serving, "s", goal=SERVING_SECONDS))
    report.add(figures.Figure("restart", f"{size}: all states true after", true, "s", goal=TRUE_SECONDS))


def _restart(daemon: Daemon, crowd: Crowd) -> tuple[float, float]:
    """Kill the daemon and start it; return when it answered first, and when all it says was true."""
    daemon.kill()
    crowd.change(crowd.size // 10)
    begun = time.perf_counter()
    trio.run(daemon.start)
    Api(daemon.url).call("GET", "/containers")
    serving = time.perf_counter() - begun
    trio.run(crowd.wait_true)
    true = time.perf_counter() - begun
    trio.run(_settle, daemon, crowd)
    return serving, true


async def _settle(daemon: Daemon, crowd: Crowd) -> None:
    """Have those run again that ran at first, and no others."""
    await daemon.engine_up()
    for number, (name, runs) in enumerate(crowd.in_docker().items()):
        wanted = number % 2 == 0
        if runs is not wanted:
            await daemon.power("start" if wanted else "kill", name)
