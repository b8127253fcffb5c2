"""A daemon that is killed while its panel is up now and then: no update is lost, none comes out of order.

The journal has a past in which the panel is behind, so that there is enough to tell. With
``LIGHTD_PANEL_FULL`` set it is ten thousand updates of two hundred servers and twenty kills, which takes some
minutes.
"""

import os
import random
import signal
import time
from collections import Counter

import trio

from actors.container import events
from actors.container.fleet import stream_of
from actors.kernel.journal import Append
from actors.remotesync.actor import NAME
from lightd.journal.codec import Codec
from lightd.journal.cursors import SqliteCursorStore
from lightd.journal.sqlite import open_sqlite_journal
from tests.support.builders import a_spec
from tests.support.daemon import PATIENCE, TOKEN
from tests.support.doubles.panel import CUT, Answer, behave, open_panel

SERVERS, CYCLES, KILLS = (200, 25, 20) if "LIGHTD_PANEL_FULL" in os.environ else (40, 5, 5)
SPELL = 0.3
"""Seconds, by the mean, for which the panel is up, and then as long down."""
AGAIN = 2
UPDATES = SERVERS * CYCLES * 2


async def write_past(folder):
    """Installations that failed and were deleted, again and again; the panel has heard of none."""
    expected = {}
    (folder / "storage").mkdir()
    async with open_sqlite_journal(folder / "storage" / "lightd.db", Codec(), time.time) as journal:
        for cycle in range(CYCLES):
            for number in range(SERVERS):
                server = f"past-{number}"
                emitted = (
                    events.Created(cycle + 1, a_spec(server)),
                    events.InstallationFailed(cycle + 1, "failed", "it never worked"),
                    events.DeletionRequested(),
                    events.Deleted(),
                )
                [recorded] = await journal.commit([Append(stream_of(server), cycle * 4, emitted)])
                created, failed = recorded[0].position, recorded[1].position
                expected.setdefault(server, []).extend([f"{created}", f"{failed}", f"{failed}.1"])
        await SqliteCursorStore(journal).save(NAME, 0, {})
    return expected


async def test_killed_daemon_loses_no_update_and_repeats_only_what_it_was_at(installation):
    daemon, dice = installation, random.Random(7)
    expected = await write_past(daemon.folder)
    good = True

    async def react(request):
        await trio.sleep(0.01)
        if not good and request.path == "/api/update":
            return dice.choice([Answer(500), Answer(503), CUT])
        return await behave(request)

    async with open_panel(react) as panel, trio.open_nursery() as nursery:
        daemon.settings["remote"] = panel.settings()
        daemon.__attrs_post_init__()

        async def flap():
            nonlocal good
            while True:
                await trio.sleep(dice.expovariate(1 / SPELL))
                good = not good

        nursery.start_soon(flap)
        kills = []
        for _ in range(KILLS):
            before = len(panel.accepted)
            await daemon.start()
            with trio.move_on_after(PATIENCE):
                while len(panel.accepted) < before + UPDATES // (2 * KILLS):
                    await trio.sleep(0.01)
            daemon.kill()
            await trio.sleep(0.1)  # what was on its way has come
            kills.append(len(panel.accepted))
        await daemon.start()
        with trio.fail_after(PATIENCE * KILLS):
            while (status := await daemon.get("/remote/status"))["backlog"] or not status["cursor"]:
                await trio.sleep(0.2)
        nursery.cancel_scope.cancel()

    told, repeated = {}, 0
    for request in panel.accepted:
        node, _, seq = request.event_id.rpartition("-")
        assert node == daemon.node
        told.setdefault(request.body["server"], []).append(seq)
    for server, seqs in expected.items():
        assert list(dict.fromkeys(told[server])) == seqs
        again = sum(count - 1 for count in Counter(told[server]).values())
        assert again <= KILLS * AGAIN * 2  # a failure is two frames
        repeated += again
    assert status["refused"] == 0
    print(f"{UPDATES} updates of {SERVERS} servers, {KILLS} kills at {kills}: {repeated} frames came again")  # noqa: T201 - -s shows it


async def test_hangup_has_the_daemon_take_on_a_new_token_while_it_runs(installation):
    daemon = installation
    await daemon.start()
    async with daemon.console("") as console:
        new = "lightd_the_token_after_the_hangup"
        daemon.config.write_text(daemon.config.read_text().replace(TOKEN, new))
        daemon.process.send_signal(signal.SIGHUP)
        with trio.fail_after(PATIENCE):
            assert await console.closed() == 4401
    await daemon.call("GET", "/containers", status=401)
    assert daemon.process.poll() is None
    daemon.config.write_text("{")
    daemon.process.send_signal(signal.SIGHUP)
    with trio.fail_after(PATIENCE):
        while "the configuration was not reloaded" not in daemon.log.read_text():
            await trio.sleep(0.05)
    daemon.config.write_text("{}")
    assert daemon.stop() == 0
    assert new not in daemon.log.read_text()
