"""A panel over TLS: one that nobody vouches for hears nothing, not even the token, and nothing is lost."""

import ssl

import trio
import trustme

from tests.support.daemon import PATIENCE
from tests.support.doubles.panel import open_panel


def vouched_by(authority, name):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context


async def status_with(daemon, reason):
    """The status once it tells of this as the last error."""
    with trio.fail_after(PATIENCE):
        while True:
            status = await daemon.get("/remote/status")
            if reason in (status["last_error"] or ""):
                return status
            await trio.sleep(0.05)


async def test_panel_that_nobody_vouches_for_is_told_of_all_once_somebody_does(
    installation, trusted_authority
):
    daemon = installation
    async with open_panel(tls=vouched_by(trustme.CA(), "127.0.0.1")) as panel:
        daemon.settings["remote"] = panel.settings()
        daemon.__attrs_post_init__()
        await daemon.start()
        await daemon.engine_up()
        await daemon.create("certificates")
        status = await status_with(daemon, "certificate verify failed")
        assert (status["healthy"], status["last_ok"], status["backlog"]) == (False, None, 3)

        panel.down()
        panel.tls = vouched_by(trusted_authority, "panel.example")
        await panel.up()
        status = await status_with(daemon, "certificate is not valid for '127.0.0.1'")
        assert (status["healthy"], status["last_ok"], status["backlog"]) == (False, None, 3)
        assert panel.connections > 0
        assert panel.requests == []

        panel.down()
        panel.tls = vouched_by(trusted_authority, "127.0.0.1")
        await panel.up()
        with trio.fail_after(PATIENCE):
            while (await daemon.get("/remote/status"))["backlog"]:
                await trio.sleep(0.05)
    told = [request.body["status"] for request in panel.by_server()["certificates"]]
    assert told == ["installing", "installing", "ready"]
