"""The encoding of events on disk: a name, a schema number, and the fields as JSON.

1. A name on disk is permanent, also if its class is renamed: ``KINDS`` maps one to the other.
2. Every field is written, also if it has its default. So a default can change without changing old events.
3. Decoding is strict: a field that is missing, unknown or of another type is ``CorruptStream``. A change of
   the fields needs a new schema number and an upcast.
4. What cannot be encoded is rejected before it is recorded: NaN, lone surrogates, classes not in ``KINDS``.
5. The encoding is internal; ``lightd/api/events.py`` defines what clients see.
"""

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, get_args, get_origin

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn

from actors.container import condensed, events, state
from actors.container import events as container
from actors.kernel.journal import CorruptStream
from actors.portpool import condensed as portpool_condensed
from actors.portpool import messages as portpool
from actors.sftp import condensed as sftp_condensed
from actors.sftp import messages as sftp
from actors.tokens import condensed as tokens_condensed
from actors.tokens import messages as tokens
from actors.volumes import messages as volumes
from lightd.journal.upcasts import UPCASTS, Upcast


@attrs.frozen
class Kind:
    """One kind of event: its name on disk, its class, and its current schema number."""

    name: str
    event: type
    schema: int = 1


LENIENT: Final = (state.State, state.Change, state.Exit)
"""The classes of a snapshot. A field that is missing in an older snapshot gets its default, so the default of
a new field must mean the behaviour before it existed. No event contains these classes."""

_KINDS: Final = (
    Kind("container.created", container.Created),
    Kind("container.adopted", container.Adopted),
    Kind("container.image-ensured", container.ImageEnsured),
    Kind("container.script-finished", container.ScriptFinished),
    Kind("container.installed", container.Installed),
    Kind("container.installation-failed", container.InstallationFailed),
    Kind("container.start-requested", container.StartRequested),
    Kind("container.rebuilt", container.Rebuilt),
    Kind("container.started", container.Started),
    Kind("container.pattern-seen", container.PatternSeen),
    Kind("container.hint", container.HintGiven),
    Kind("container.became-ready", container.BecameReady),
    Kind("container.start-failed", container.StartFailed),
    Kind("container.stop-requested", container.StopRequested),
    Kind("container.stop-timed-out", container.StopTimedOut),
    Kind("container.kill-requested", container.KillRequested),
    Kind("container.exited", container.Exited),
    Kind("container.restart-scheduled", container.RestartScheduled),
    Kind("container.restarts-given-up", container.RestartsGivenUp),
    Kind("container.restore-scheduled", container.RestoreScheduled),
    Kind("container.restart-called-off", container.RestartCalledOff),
    Kind("container.found-running", container.FoundRunning),
    Kind("container.vanished", container.Vanished),
    Kind("container.installation-repeated", events.InstallationRepeated),
    Kind("container.reinstall-requested", events.ReinstallRequested),
    Kind("container.rebind-requested", events.RebindRequested),
    Kind("container.new-image-ensured", events.NewImageEnsured),
    Kind("container.reinstall-began", events.ReinstallBegan),
    Kind("container.new-script-finished", events.NewScriptFinished),
    Kind("container.candidate-built", events.CandidateBuilt),
    Kind("container.replacement-began", events.ReplacementBegan),
    Kind("container.resumption-decided", events.ResumptionDecided),
    Kind("container.replaced", events.Replaced),
    Kind("container.change-failed", events.ChangeFailed),
    Kind("container.change-abandoned", events.ChangeAbandoned),
    Kind("container.edited", events.Edited),
    Kind("container.limits-applied", events.LimitsApplied),
    Kind("container.limits-refused", events.LimitsRefused),
    Kind("container.deletion-requested", container.DeletionRequested),
    Kind("container.deleted", container.Deleted),
    Kind("container.condensed", condensed.Condensed),
    Kind("portpool.ports-added", portpool.PortsAdded),
    Kind("portpool.ports-removed", portpool.PortsRemoved),
    Kind("portpool.port-marked", portpool.PortMarked),
    Kind("portpool.ports-leased", portpool.PortsLeased),
    Kind("portpool.ports-released", portpool.PortsReleased),
    Kind("portpool.condensed", portpool_condensed.Condensed),
    Kind("sftp.credential-added", sftp.CredentialAdded),
    Kind("sftp.credential-removed", sftp.CredentialRemoved),
    Kind("sftp.credentials-swept", sftp.CredentialsSwept),
    Kind("sftp.condensed", sftp_condensed.Condensed),
    Kind("tokens.token-minted", tokens.TokenMinted),
    Kind("tokens.token-spent", tokens.TokenSpent),
    Kind("tokens.token-revoked", tokens.TokenRevoked),
    Kind("tokens.tokens-swept", tokens.TokensSwept),
    Kind("tokens.condensed", tokens_condensed.Condensed),
    Kind("volumes.volume-created", volumes.VolumeCreated),
    Kind("volumes.volume-owner-assigned", volumes.VolumeOwnerAssigned),
    Kind("volumes.volume-resized", volumes.VolumeResized),
    Kind("volumes.volume-deleted", volumes.VolumeDeleted),
)

KINDS: Final = tuple(
    attrs.evolve(kind, schema=1 + sum(name == kind.name for name, _ in UPCASTS)) for kind in _KINDS
)
"""Every kind with its current schema number: there is one upcast for each earlier schema."""

_UNREADABLE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
_UNWRITABLE = (AttributeError, RecursionError, TypeError, ValueError)

Structure = Callable[[Any, Any], Any]


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a valid JSON number")


_dumps = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_loads = json.JSONDecoder(parse_constant=_refuse).decode


@attrs.frozen
class _Shape:
    """How one kind is written and read; each function is made at its first use."""

    kind: Kind
    _converter: cattrs.Converter

    @functools.cached_property
    def to_fields(self) -> Callable[[Any], Any]:
        return self._converter.get_unstructure_hook(self.kind.event)

    @functools.cached_property
    def to_event(self) -> Structure:
        return self._converter.get_structure_hook(self.kind.event)


class Codec:
    """Encodes and decodes the events of ``kinds``; ``upcasts`` converts old schemas to the current one."""

    def __init__(
        self,
        kinds: Sequence[Kind] = KINDS,
        upcasts: Mapping[tuple[str, int], Upcast] = UPCASTS,
    ) -> None:
        shapes = _to_shapes(tuple(kinds))
        self._by_event = {shape.kind.event: shape for shape in shapes}
        self._by_name = {shape.kind.name: shape for shape in shapes}
        self._upcasts = upcasts

    def encode(self, event: object) -> tuple[str, int, bytes]:
        """Return the event's kind, schema and bytes; raise ``CorruptStream`` if it cannot be encoded."""
        shape = self._by_event.get(type(event))
        if shape is None:
            raise CorruptStream(f"{type(event).__name__} is not in KINDS and cannot be recorded")
        try:
            data = _dumps(shape.to_fields(event)).encode()
        except _UNWRITABLE as error:
            raise CorruptStream(f"{shape.kind.name} cannot be encoded: {error}") from error
        return shape.kind.name, shape.kind.schema, data

    def decode(self, kind: str, schema: int, data: bytes) -> object:
        """Return the event; raise ``CorruptStream`` if the bytes are not an event of that kind."""
        shape = self._by_name.get(kind)
        if shape is None:
            raise CorruptStream(f"{kind} is not a known kind of event")
        if not 1 <= schema <= shape.kind.schema:
            raise CorruptStream(
                f"{kind} has schema {schema}, this version of lightd supports up to {shape.kind.schema}"
            )
        try:
            fields = _loads(data.decode())
            for number in range(schema, shape.kind.schema):
                fields = self._upcasts[kind, number](fields)
            event: object = shape.to_event(fields, shape.kind.event)
        except _UNREADABLE as error:
            raise CorruptStream(f"{kind} of schema {schema} cannot be decoded: {error}") from error
        return event


@functools.cache  # creating them takes as long as opening a journal
def _to_shapes(kinds: tuple[Kind, ...]) -> tuple[_Shape, ...]:
    converter = _make_converter()
    return tuple(_Shape(kind, converter) for kind in kinds)


def _make_converter() -> cattrs.Converter:
    converter = cattrs.Converter(detailed_validation=False)
    for kept in (str, int, bool):
        converter.register_structure_hook(kept, _exactly(kept))
    converter.register_structure_hook(float, _to_float)
    converter.register_structure_hook_factory(attrs.has, lambda cls: _strictly(cls, converter))
    converter.register_structure_hook_factory(_is_tuple, lambda to: _listed(to, converter))
    return converter


def _is_tuple(to: Any) -> bool:  # noqa: ANN401 - any annotation
    return get_origin(to) is tuple


# The errors below name types and fields, never values, which can be secrets.


def _exactly(kept: type[str | int | bool]) -> Structure:
    def structure(value: object, _: object) -> object:
        if type(value) is not kept:
            raise TypeError(f"{type(value).__name__} instead of {kept.__name__}")
        return value

    return structure


def _to_float(value: object, _: type) -> float:
    if type(value) is float or type(value) is int:
        return float(value)
    raise TypeError(f"{type(value).__name__} instead of a number")


def _strictly(cls: type, converter: cattrs.Converter) -> Structure:
    names = {field.name for field in attrs.fields(cls)}
    structure: Structure = make_dict_structure_fn(cls, converter, _cattrs_detailed_validation=False)

    def hook(value: Any, to: type) -> object:  # noqa: ANN401 - any JSON
        if not isinstance(value, dict):
            raise TypeError(f"{type(value).__name__} instead of the fields of {cls.__name__}")
        if value.keys() - names or (value.keys() != names and cls not in LENIENT):
            wrong = ", ".join(sorted(value.keys() ^ names))
            raise ValueError(f"unknown or missing fields of {cls.__name__}: {wrong}")
        return structure(value, to)

    return hook


def _listed(to: type, converter: cattrs.Converter) -> Structure:
    kinds: Sequence[Any] = get_args(to)
    hooks: Sequence[Structure] = [converter.get_structure_hook(kind) for kind in kinds if kind is not ...]

    def structure(value: Any, _: object) -> tuple[Any, ...]:  # noqa: ANN401 - any JSON
        if type(value) is not list:
            raise TypeError(f"{type(value).__name__} instead of a list")
        if ... in kinds:
            return tuple(hooks[0](item, kinds[0]) for item in value)
        return tuple(hook(item, kind) for hook, item, kind in zip(hooks, value, kinds, strict=True))

    return structure
