"""Measurements: ``python -m tests.bench [NAME …] [--quick] [--json FILE]``, or ``--compare OLD NEW``.

Nothing here passes or fails: each figure stands beside a yardstick of the same run, and two runs can be
compared. Benches on real containers need a Docker Engine (``bash tests/rig/run engine`` gives one).
"""

import argparse
from pathlib import Path

from tests.bench import (
    audit,
    authentication,
    commands,
    fanout,
    figures,
    flood,
    hostile,
    hostile_tenants,
    idle,
    journal,
    lifecycle,
    panel,
    rendering,
    requests,
    restart,
    sftp,
    startup,
    transfer,
    viewer,
)

BENCHES = {
    "authentication": authentication.run,
    "commands": commands.run,
    "lifecycle": lifecycle.run,
    "fanout": fanout.run,
    "flood": flood.run,
    "hostile": hostile.run,
    "hostile-tenants": hostile_tenants.run,
    "idle": idle.run,
    "journal": journal.run,
    "audit": audit.run,
    "panel": panel.run,
    "rendering": rendering.run,
    "requests": requests.run,
    "transfer": transfer.run,
    "restart": restart.run,
    "sftp": sftp.run,
    "startup": startup.run,
    "viewer": viewer.run,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("name", nargs="*", help=f"which: {', '.join(BENCHES)}; all where none is named")
    parser.add_argument("--quick", action="store_true", help="fewer rounds: to see that it runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--compare", type=Path, nargs=2, metavar=("OLD", "NEW"), help="two such files")
    arguments = parser.parse_args()
    if unknown := set(arguments.name) - BENCHES.keys():
        parser.error(f"there is no bench named {', '.join(sorted(unknown))}")
    if arguments.compare:
        figures.compare(*map(figures.read, arguments.compare))
        return
    report = figures.Report()
    for name in arguments.name or BENCHES:
        BENCHES[name](report, quick=arguments.quick)
    if arguments.json:
        report.write(arguments.json)


if __name__ == "__main__":
    main()
