"""The node's connection to its panel: open while it is enabled, reopened when its settings change.

Updates and the exchange of configurations are supervised separately: a bug in one stops neither the other nor
the daemon.
"""

import random
from functools import partial

import attrs
import trio

from actors.kernel.journal import JournalUnavailable
from actors.kernel.mailbox import ActorGone, Overloaded
from actors.kernel.supervisor import open_supervisor
from actors.remotesync.actor import RemoteSync
from actors.remotesync.cursors import CursorStore
from lightd.api.panel_exchange import Adopt
from lightd.config.sections import Remote
from lightd.panel.exchange import Exchange
from lightd.panel.http import open_http_panel
from lightd.system import System


@attrs.frozen
class Connection:
    """Connects ``system`` with its panel; ``run`` runs until it is cancelled."""

    system: System
    cursors: CursorStore
    adopt: Adopt

    async def run(self) -> None:
        """Stay connected as the configuration says."""
        while True:
            settings = self.system.config.remote
            async with trio.open_nursery() as nursery:
                if settings.enabled:
                    nursery.start_soon(self._connect, settings)
                while self.system.config.remote == settings:
                    await self.system.reloaded.wait()
                nursery.cancel_scope.cancel()

    async def _connect(self, settings: Remote) -> None:
        system = self.system
        async with open_http_panel(settings.url, settings.token) as panel, open_supervisor() as supervisor:
            sync = RemoteSync(
                system.config.node,
                panel,
                system.bus,
                self.cursors,
                system.clock,
                random.random,
                system.remote_status,
                settings.catch_up == "latest",
                settings.events,
            )
            supervisor.start(
                "remote sync", sync.run, outages=(JournalUnavailable,), on_quarantine=self._note_quarantine
            )
            if settings.sync_config:
                exchange = Exchange(
                    panel,
                    system.fleet,
                    self.adopt,
                    {"node": system.config.node, "version": system.version},
                    system.exchanged,
                    random.random,
                    sync.recovered,
                )
                outages = (JournalUnavailable, Overloaded, ActorGone)
                work = partial(self._exchange, exchange)
                supervisor.start("configuration exchange", work, outages=outages)
            await trio.sleep_forever()

    def _note_quarantine(self, error: Exception) -> None:
        """Show that no updates are sent any more; new settings or a restart start it again."""
        self.system.remote_status.healthy = False
        self.system.remote_status.last_error = f"remote sync crashed repeatedly and was stopped: {error}"

    async def _exchange(self, exchange: Exchange) -> None:
        """Exchange configurations; starts again after every reload."""
        while True:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(exchange.run)
                await self.system.reloaded.wait()
                nursery.cancel_scope.cancel()
