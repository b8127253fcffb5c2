"""The route that runs the checks of ``lightd doctor`` on this node.

They run in a process of their own: they read files and wait for others, which must not delay the event loop,
and what they find is what the command finds.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import trio
from quart import Response

from lightd.access import scopes
from lightd.api.errors import bad_request
from lightd.http.openapi.schemas import FLAG, TEXT, WHOLE, described, many, record, words
from lightd.http.route import Route
from lightd.http.wire import to_json
from lightd.system import System

VERDICTS: Final = ("ok", "warning", "bad", "unseen")

_ROOT: Final = str(Path(__file__).resolve().parents[3])
_COMMAND: Final = (sys.executable, "-P", "-m", "lightd", "doctor", "--json", "--config")
_FOUND: Final = (0, 1)
"""The exit codes with a report."""
_turn = trio.CapacityLimiter(1)


class DoctorFailed(Exception):  # noqa: N818 - names what happened
    """The process of the checks ended without a report."""


async def show(system: System) -> Response:
    if system.path is None:
        raise bad_request("this daemon was started without a configuration file", "invalid_configuration")
    return to_json(await examine(system.path))


async def examine(path: Path) -> dict[str, Any]:
    """Return the report about the node with the configuration file ``path``; see ``lightd doctor --json``.

    One process runs at a time; others wait. A cancellation ends it. Raises ``DoctorFailed``.
    """
    async with _turn:
        done = await trio.run_process(
            (*_COMMAND, str(path)),
            stdin=b"",
            capture_stdout=True,
            stderr=subprocess.DEVNULL,
            check=False,
            env={**os.environ, "PYTHONPATH": _ROOT, "PYTHONUTF8": "1"},
        )
    if done.returncode not in _FOUND or not done.stdout:
        raise DoctorFailed(f"lightd doctor ended with exit code {done.returncode}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report


ROUTES = (
    Route(
        method="GET",
        path="/node/doctor",
        permission=scopes.MASTER,
        subject=scopes.Node,
        handler=show,
        name="examine_node",
        summary="Check the node",
        text="Runs the checks of `lightd doctor` with the configuration file as it is now, and changes nothing. It usually "
        "takes a few seconds; a check that hangs is a finding after 15 seconds. One request is served at a time.",
        curl="call $url/node/doctor",
        answer=record(
            {
                "healthy": described(FLAG, "whether no finding is `bad`", example=True),
                "counts": record(
                    {
                        verdict: described(
                            WHOLE, f"findings that are `{verdict}`", unit="findings", example=count
                        )
                        for verdict, count in zip(VERDICTS, (28, 1, 0, 1), strict=True)
                    },
                    means="The number of findings for each verdict.",
                ),
                "findings": described(
                    many(
                        record(
                            {
                                "area": described(TEXT, "what was checked", example="engine"),
                                "name": described(TEXT, "the check in its area", example="init"),
                                "verdict": described(
                                    words(*VERDICTS), "`unseen`: it could not be checked", example="ok"
                                ),
                                "text": described(
                                    TEXT, "what was found", example="the storage driver is overlay2"
                                ),
                                "mend": described(
                                    TEXT, "how to fix it; empty if there is nothing to fix", example=""
                                ),
                            }
                        )
                    ),
                    "the findings, by area",
                ),
            }
        ),
        errors=("invalid_configuration",),
    ),
)
