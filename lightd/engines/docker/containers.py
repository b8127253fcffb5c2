"""What is done to a container of the engine's by its name or id, whatever it is for.

Create, start and remove run 8 at a time: the engine gains nothing from more, and each takes longer.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from typing import Any, Final

import attrs
import trio

from actors.container.engine import EngineFault, EngineRefused, EngineUnavailable, Missing, Role
from lightd.engines.docker import calls, recipe, translate
from lightd.engines.docker.policy import Policy
from lightd.engines.docker.translate import Refused

CHANGES_AT_ONCE: Final = 8

REMOVAL_SECONDS: Final = 3.0
"""How long a removal that Docker has begun is waited for before it is reported and tried again."""

RECENT: Final = 0.005
"""Seconds for which Docker's last answer about a container counts as new."""

REMEMBERED: Final = 10_000
"""Containers of which it is remembered whether they have a terminal."""

NOT_FOUND: Final = 404
CONFLICT: Final = 409


class Ownership(Enum):
    """Whose a container is.

    ``UNSURE``: it is used if the journal knows it, and never removed as a leftover. It was adopted, or it has
    our node's name and no journal's id, as versions without such ids made it.
    """

    OURS = "ours"
    UNSURE = "unsure"
    OTHERS = "others"


@attrs.define(eq=False)
class Containers:
    """The containers of the engine; the journal's id and ``node`` tell ours from those of others."""

    _calls: calls.Calls
    _node: str
    _policy: Policy = attrs.field(factory=Policy)
    _changing: trio.Semaphore = attrs.field(factory=lambda: trio.Semaphore(CHANGES_AT_ONCE))
    _latest: tuple[float, Mapping[str, Any]] | None = None
    _terminals: dict[str, bool] = attrs.field(factory=dict)

    async def change(self, method: str, path: str, data: recipe.Json | None = None, **params: str) -> Any:  # noqa: ANN401 - JSON
        """As ``Calls.change``, when it is this change's turn."""
        self._latest = None
        try:
            async with self._changing:
                return await self._calls.change(method, path, data, **params)
        finally:
            self._latest = None  # what was looked at meanwhile may be older

    async def look(self, name: str) -> Mapping[str, Any] | None:
        """What the engine says of a container, None where there is none; raises as ``Engine.inspect``."""
        try:
            found: Mapping[str, Any] = await self._calls.get(translate.to_container_path(name, "json"))
        except Refused as no:
            if no.status == NOT_FOUND:
                return None
            fault = translate.to_fault(no)  # a look has no effect that could be refused: it is tried again
            raise fault if isinstance(fault, EngineUnavailable) else EngineFault(str(fault)) from None
        self._latest = trio.current_time(), found
        if len(self._terminals) >= REMEMBERED:
            self._terminals.clear()
        self._terminals[found["Id"]] = found["Config"]["Tty"]
        return found

    async def find(self, engine_id: str) -> Mapping[str, Any]:
        """As ``look``; raises ``Missing`` where there is none."""
        found = await self.look(engine_id)
        if found is None:
            raise Missing(engine_id)
        return found

    async def find_again(self, engine_id: str) -> Mapping[str, Any]:
        """As ``find``, but an answer that has just been received is returned without asking again."""
        if self._latest is not None:
            at, found = self._latest
            if found["Id"] == engine_id and trio.current_time() - at <= RECENT:
                return found
        return await self.find(engine_id)

    async def has_terminal(self, engine_id: str) -> bool:
        """Whether a container was created with a terminal; raises as ``find`` if that is not known yet."""
        if engine_id not in self._terminals:
            await self.find(engine_id)
        return self._terminals[engine_id]

    def is_ours(self, inspected: Mapping[str, Any]) -> bool:
        """Whether a container that was looked at is this daemon's, for all that is known of it."""
        return self.to_ownership(inspected["Config"]["Labels"] or {}, inspected["Id"]) is not Ownership.OTHERS

    def to_ownership(self, labels: Mapping[str, str], engine_id: str) -> "Ownership":
        """Whose a container with these labels is."""
        if engine_id in self._policy.adopted:
            return Ownership.UNSURE
        journal = labels.get(translate.JOURNAL, "")
        if journal or labels.get(translate.NODE) != self._node:
            return Ownership.OURS if journal and journal == self._policy.journal_id else Ownership.OTHERS
        return Ownership.UNSURE if self._policy.journal_id else Ownership.OURS

    def is_leftover(self, labels: Mapping[str, str]) -> bool:
        """Whether a container with these labels is an installer of a journal that this daemon lost."""
        installer = labels.get(translate.ROLE) == Role.INSTALLER.value
        ours = labels.get(translate.NODE) == self._node
        return installer and ours and labels.get(translate.JOURNAL) in self._policy.earlier

    async def remove(self, engine_id: str) -> None:
        """The container is gone, with the volumes that the engine made for it, running or not."""
        with refusals(NOT_FOUND):
            self._terminals.pop(engine_id, None)
            try:
                await self.change("DELETE", translate.to_container_path(engine_id), force="1", v="1")
            except Refused as no:
                if no.status != CONFLICT:
                    raise
                # Somebody removes it already; its name is free when that has ended.
                with trio.move_on_after(REMOVAL_SECONDS) as patience:
                    await self._calls.post(
                        translate.to_container_path(engine_id, "wait"), condition="removed"
                    )
                if patience.cancelled_caught:
                    raise EngineFault("Docker has not finished removing the container") from None


def someone_elses(name: str) -> EngineRefused:
    """The refusal of a name that a container has which isn't ours."""
    return EngineRefused(f"The engine has a container named {name} that is somebody else's")


@contextmanager
def refusals(*fine: int) -> Iterator[None]:
    """Leave out the answers whose status is ``fine``; the others are the engine's refusal or its fault."""
    try:
        yield
    except Refused as no:
        if no.status not in fine:
            raise translate.to_fault(no) from None
