"""Every accepted stop signal reaches the program, on a real engine."""

import signal

import pytest

from lightd.engines.signals import DELIVERED

NUMBERS = {name: signal.Signals[name].value for name in DELIVERED if name != "SIGKILL"}
TRAPS = "; ".join(f"trap 'exit {100 + n}' {n}" for n in NUMBERS.values())
PROGRAM = f'env sh -c "{TRAPS}; echo Ready; while :; do sleep 0.02; done"'


@pytest.mark.parametrize("command", [PROGRAM, f"echo first; {PROGRAM}; exit $?"], ids=["program", "compound"])
async def test_accepted_stop_signal_reaches_a_program_that_traps_it(daemon, command):
    await daemon.create(command=command, start_pattern="Ready")
    ends = {}
    async with daemon.console() as console:
        for name in NUMBERS:
            stop = {"type": "signal", "value": name, "timeout": 20}
            await daemon.call("PATCH", "/containers/s1", {"stop": stop})
            assert (await daemon.power("start"))["status"] == "succeeded"
            await daemon.power("stop")
            ends[name] = (await console.until("event", "exit"))["code"]
    assert ends == {name: 100 + number for name, number in NUMBERS.items()}
