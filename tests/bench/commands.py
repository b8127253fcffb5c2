"""What a command at a shell takes, as a whole process: elapsed time, and CPU time of its own.

The daemon runs beside it with the containers of ``startup``. Beside each figure stands a Python that does
nothing. All modules are compiled before, as pip does when it installs.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import trio

from tests.bench import figures, startup
from tests.bench.node import Past, write

MOST_SECONDS = 0.2
MOST_SECONDS_TO_COMPLETE = 0.15
LINES = ("ps", "ps -q", "logs {id}", "events {id}", "inspect {id}", "volumes", "--version", "ps --help")


def timed(line: list[str], **environ: str) -> tuple[float, float]:
    """The elapsed and the CPU seconds of a process that succeeds."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(line, env={**os.environ, **environ}, stdout=subprocess.DEVNULL, check=True)
    elapsed, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return elapsed, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def run(report: figures.Report, *, quick: bool) -> None:
    rounds = 5 if quick else 20
    with tempfile.TemporaryDirectory(prefix="lightd-bench-") as name:
        folder = Path(name)
        trio.run(write, folder, Past(startup.CONTAINERS))
        subprocess.run([sys.executable, "-m", "compileall", "-q", *startup.SOURCES], check=False)
        with startup.open_fresh(folder):
            config = ["--config", str(folder / "config.json")]
            lightd = [sys.executable, "-m", "lightd"]
            listed = subprocess.check_output([*lightd, "ps", "-q", *config], text=True).split()
            python = min(timed([sys.executable, "-c", ""])[0] for _ in range(rounds))

            def measure(what: str, most: float, line: list[str], **environ: str) -> None:
                found = [timed(line, **environ) for _ in range(rounds)]
                elapsed, cpu = (min(each) for each in zip(*found, strict=True))
                report.add(
                    figures.Figure("commands", what, elapsed, "s", "python -c ''", python, ceiling=most)
                )
                report.add(figures.Figure("commands", f"{what}, CPU", cpu, "s"))

            for line in LINES:
                words = line.format(id=listed[0]).split()
                where = [] if line.startswith("-") else config
                measure(f"lightd {line}", MOST_SECONDS, [*lightd, *words, *where])
            text = f"lightd logs {' '.join(config)} {listed[0][:1]}"
            asked = {"_ARGCOMPLETE": "1", "COMP_LINE": text, "COMP_POINT": str(len(text))}
            asked |= {"_ARGCOMPLETE_IFS": "\n", "_ARGCOMPLETE_STDOUT_FILENAME": str(folder / "words")}
            measure("completion of a container", MOST_SECONDS_TO_COMPLETE, lightd, **asked)
