"""Daemons that serve SFTP, and clients of them."""

import asyncio
import contextlib
import os
import signal
from pathlib import Path

import asyncssh
import trio

from tests.support.daemon import free_port, serving


def serving_sftp_settings():
    """The section of a configuration, and the port."""
    port = free_port()
    return {"sftp": {"enabled": True, "host": "127.0.0.1", "port": port}}, port


@contextlib.asynccontextmanager
async def serving_sftp(folder, internal_id):
    """A daemon whose SFTP server listens, with a container, and the port of SFTP."""
    settings, port = serving_sftp_settings()
    async with serving(folder, **settings) as daemon:
        try:
            await listening(daemon, internal_id)
            yield daemon, port
        finally:
            end_servers(folder)


async def listening(daemon, internal_id):
    """Wait until the daemon has its SFTP server and the container."""
    await daemon.engine_up()
    if internal_id not in [each["internal_id"] for each in (await daemon.get("/containers"))["containers"]]:
        await daemon.create(internal_id)
    with trio.fail_after(60):
        while not (await daemon.get(f"/containers/{internal_id}/sftp"))["listening"]:
            await trio.sleep(0.05)


def processes_of(folder):
    """The processes of an SFTP server, by its daemon's folder: one listens, the others have connections."""
    marker = str(folder / "storage" / "sftp").encode()
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdecimal():
            with contextlib.suppress(OSError):
                if marker in (path / "cmdline").read_bytes().split(b"\0"):
                    found.append(path)
    return found


def end_servers(folder):
    """End what would otherwise wait for another daemon."""
    for process in processes_of(folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(process.name), signal.SIGTERM)


def connecting(port, username, password, keys=None):
    """A connection of asyncssh with these and nothing else to log in with."""
    return asyncssh.connect(
        *("127.0.0.1", port),
        known_hosts=None,
        config=None,
        username=username,
        password=password,
        client_keys=keys or None,
        agent_path=None,
        login_timeout=60,
    )


async def in_asyncio(work):
    """The result of a coroutine function that needs asyncio."""
    return await trio.to_thread.run_sync(lambda: asyncio.run(work()))
