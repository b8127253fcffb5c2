"""The command ``lightd doctor``: runs all checks and prints the report."""

import argparse
from collections.abc import Mapping
from typing import Final

import trio

from lightd.cli.commands.output import Output
from lightd.cli.doctor import clock, configuration, engine, limits, panel, ports, report, software, storage
from lightd.cli.doctor.checkup import Check, examine

CHECKS: Final[Mapping[str, Check]] = {
    "configuration": Check(configuration.look, configuration.SLOW, needs_configuration=False),
    "engine": Check(engine.look, engine.SLOW),
    "storage": Check(storage.look, storage.SLOW),
    "ports": Check(ports.look, ports.SLOW),
    "panel": Check(panel.look, panel.SLOW),
    "clock": Check(clock.look, clock.SLOW, needs_configuration=False),
    "limits": Check(limits.look, limits.SLOW, needs_configuration=False),
    "software": Check(software.look, software.SLOW, needs_configuration=False, computes=True),
}


async def run(args: argparse.Namespace, environ: Mapping[str, str], output: Output) -> int:
    """Run all checks, print the report, and return 1 if a finding is red."""
    subject = await trio.to_thread.run_sync(configuration.to_subject, args.config, environ)
    findings = await examine(CHECKS, subject)
    if args.json:
        output.json(report.to_json(findings))
    else:
        output.lines("".join(f"{line}\n" for line in report.to_lines(findings, colours=output.colours)))
    return report.to_code(findings)
