"""The contract of panels, over the one of the simulations and a real one over HTTP."""

import pytest
import trio

from actors.remotesync.panel import Accepted, Refused
from lightd.panel.http import open_http_panel
from tests.contracts import panel_checks
from tests.support.doubles.panel import HANG, HEALTHY, TOKEN, Answer, open_panel
from tests.support.doubles.panels import BROKEN, DOWN, FakePanel

CHECKS = {name: check for name, check in vars(panel_checks).items() if name.startswith("check_")}
REFUSED = Refused("the panel answered 422")


@pytest.mark.parametrize("name", CHECKS)
async def test_panel_of_the_simulations(name):
    panel = FakePanel()

    def become(kind):
        async def answer(_event_id, _server):
            if kind == "hanging":
                await trio.sleep_forever()
            return {"good": Accepted(), "refusing": REFUSED, "broken": BROKEN, "down": DOWN}[kind]

        panel.answer = answer
        panel.unwell = None if kind in ("good", "hanging") else "it is not well"
        panel.deaf = kind == "hanging"

    await CHECKS[name](panel, become)


@pytest.mark.parametrize("name", CHECKS)
async def test_panel_over_http(name):
    async with open_panel() as server, open_http_panel(server.url, TOKEN) as panel:

        def become(kind):
            async def react(request):
                good = HEALTHY if request.path.endswith("/health") else Answer()
                return {"good": good, "refusing": Answer(422), "broken": Answer(500), "hanging": HANG}[kind]

            server.react = react
            if kind == "down":
                server.down()

        await CHECKS[name](panel, become)
