"""The exchange of configurations: fetched from the panel at each reload, sent to the panel on changes.

1. A container that the panel has and the node does not have is created. A container that differs, or cannot
   be created, is a conflict: it is reported, and nothing is changed. Nothing is ever deleted.
2. The node's containers are sent once after the start, and ``DEBOUNCE`` seconds after a change, so that many
   changes in a row are sent once.
3. If the panel is unreachable, the request is retried, as for updates. A 4xx means that the panel does not
   support the exchange.
"""

import json
import logging
from collections.abc import Callable

import attrs
import trio

from actors.container.fleet import Fleet, internal_id_of
from actors.container.spec import ContainerSpec
from actors.kernel.ephemeral import Wake
from actors.remotesync.actor import SILENCE, TIMEOUT
from actors.remotesync.panel import to_pause
from lightd.api.container_fields import to_request
from lightd.api.panel_exchange import MOST_CONFLICTS, Adopt, Conflict, PanelExchange
from lightd.panel.answers import MOST_MARKS, Answer, to_reason, to_seconds
from lightd.panel.http import LONGEST_DOCUMENT, HttpPanel, PanelUnavailable

logger = logging.getLogger(__name__)

DEBOUNCE = 2.0
MOST_ENTRIES = 2000
"""Containers in the panel's configuration: more than a node runs."""
LONGEST_REASON = 300  # characters of a conflict: it may name what the panel sent
PATH = "/config"

Specs = tuple[ContainerSpec, ...]


@attrs.define(eq=False)
class Exchange:
    """Exchanges configurations through ``panel``; ``run`` runs until it is cancelled.

    ``settings`` is what the node sends about itself; ``recovered`` fires when the panel is healthy again.
    """

    panel: HttpPanel
    fleet: Fleet
    adopt: Adopt
    settings: dict[str, str]
    exchanged: PanelExchange
    chance: Callable[[], float]
    recovered: Wake

    async def run(self) -> None:
        """Fetch the panel's configuration, then send the node's whenever it has changed."""
        subscription = self.fleet.bus.subscribe(self.fleet.bus.head)
        await self._pull()
        given: Specs | None = None
        while True:
            present = to_specs(self.fleet)
            if present != given:
                await self._push(present)
                given = present
            while not any(internal_id_of(record.stream) for record in await subscription.next()):
                pass
            await trio.sleep(DEBOUNCE)

    async def _pull(self) -> None:
        answer = await self._request("GET")
        self.exchanged.pulled_at = self.fleet.clock()
        self.exchanged.conflicts.clear()
        if not answer.success:
            return
        document = await trio.to_thread.run_sync(lambda: answer.json)
        entries, reason = _to_entries(document, answer)
        if reason is not None:
            self._note_conflict(Conflict(None, f"the panel's configuration {reason}"))
            return
        for entry in entries:
            await trio.lowlevel.checkpoint()  # lets other tasks run between entries
            conflict = await self.adopt(entry)
            if conflict is not None:
                self._note_conflict(conflict)
        if isinstance(document, dict) and (settings := document.get("settings")):
            named = ", ".join(sorted(map(str, settings))) if isinstance(settings, dict) else "these"
            logger.info("ignored settings of the panel: %s", named[:200])

    def _note_conflict(self, conflict: Conflict) -> None:
        reason = conflict.reason[:LONGEST_REASON]
        if len(self.exchanged.conflicts) < MOST_CONFLICTS:
            self.exchanged.conflicts.append(Conflict(conflict.internal_id, reason))
            logger.warning(
                "conflict with the panel's configuration: container %s: %s", conflict.internal_id, reason
            )

    async def _push(self, specs: Specs) -> None:
        document = await trio.to_thread.run_sync(to_text, specs, self.settings)
        answer = await self._request("POST", document)
        if answer.success:
            self.exchanged.pushed_at = self.fleet.clock()

    async def _request(self, method: str, body: bytes | None = None) -> Answer:
        """Return the final response of the panel: a success or a rejection; retry until then."""
        failures = 0
        while True:
            answer, reason = await self._ask(method, body)
            if answer is not None and (answer.success or answer.refusal):
                if answer.refusal:
                    logger.info("the panel does not exchange configurations: %s %s", method, reason)
                return answer
            failures += 1
            if failures == 1:
                logger.warning("cannot exchange configurations with the panel: %s", reason)
            asked = (
                None if answer is None else to_seconds(answer.headers.get("retry-after"), self.fleet.clock())
            )
            with trio.move_on_after(to_pause(failures, asked, self.chance())):
                await self.recovered.wait()

    async def _ask(self, method: str, body: bytes | None) -> tuple[Answer | None, str]:
        with trio.move_on_after(TIMEOUT):
            try:
                answer = await self.panel.ask(method, PATH, body, longest=LONGEST_DOCUMENT)
            except PanelUnavailable as error:
                return None, str(error)
            return answer, to_reason(answer.status)
        return None, SILENCE


def _to_entries(document: object, answer: Answer) -> tuple[list[object], str | None]:
    """Return the containers of the panel's configuration, or why it is not used."""
    if document is None and (answer.body is None or answer.too_large):
        return [], f"has more than {LONGEST_DOCUMENT} bytes or {MOST_MARKS} values"
    entries = document.get("containers", []) if isinstance(document, dict) else None
    if not isinstance(entries, list):
        return [], "has no list of containers"
    if len(entries) > MOST_ENTRIES:
        return [], f"has {len(entries)} containers, more than {MOST_ENTRIES}"
    return entries, None


def to_specs(fleet: Fleet) -> Specs:
    """Return the specs of all containers of the node."""
    return tuple(member.state.spec for member in fleet if member.state.spec is not None)


def to_text(specs: Specs, settings: dict[str, str]) -> bytes:
    """Return the node's configuration as JSON; ``settings`` describes the node.

    For a thread: an environment may have a MiB. Others go on between one container and the next.
    """
    entries = [json.dumps(to_request(spec), ensure_ascii=False) for spec in specs]
    return f'{{"containers": [{", ".join(entries)}], "settings": {json.dumps(settings)}}}'.encode()
