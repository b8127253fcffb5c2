"""A child process that is killed while it works."""

import signal
import subprocess
import sys

import trio


async def output_until_killed(script, path, seconds, *, early=False):
    """Run a Python script on ``path`` and kill it; return the whole lines that it had printed.

    It is killed ``seconds`` after it printed something, or, where ``early``, after it was started.
    """
    said, spoke = bytearray(), trio.Event()
    process = await trio.lowlevel.open_process([sys.executable, "-c", script, path], stdout=subprocess.PIPE)

    async def listen():
        async for chunk in process.stdout:
            said.extend(chunk)
            spoke.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen)
        try:
            if not early:
                with trio.fail_after(60):
                    await spoke.wait()
            await trio.sleep(seconds)
        finally:
            process.send_signal(signal.SIGKILL)
    assert await process.wait() == -signal.SIGKILL
    return [line for line in said.decode().splitlines(keepends=True) if line.endswith("\n")]
