"""One tenant, or a stranger, takes all it can: what is left for the others, beside the quiet node.

Each section has a module of its own, and adds its figures to the same report.
"""

from collections.abc import Callable

from tests.bench import figures, hostile_edge, hostile_files, noisy

Section = Callable[..., None]
"""Called as ``section(report, quick=…)``."""

SECTIONS: tuple[Section, ...] = (noisy.run, hostile_edge.run, hostile_files.run)


def run(report: figures.Report, *, quick: bool) -> None:
    for section in SECTIONS:
        section(report, quick=quick)
