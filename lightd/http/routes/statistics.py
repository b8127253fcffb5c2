"""The routes of statistics: the present values of containers, and the last hour of one."""

from operator import attrgetter
from typing import Any

import attrs
from quart import Response

from actors.container.fleet import Member
from actors.container.stats import Stats
from actors.container.stats_history import STEP, Point
from lightd.access import scopes
from lightd.api.container_fields import LimitsBody
from lightd.files.errors import FileRefused
from lightd.files.quota.kind import MEGABYTE
from lightd.http.error_codes import CONTAINER
from lightd.http.identity import of_request
from lightd.http.listing import FILTERS, PAGE, to_answer, to_filter, to_listing
from lightd.http.live.kinds import STATS
from lightd.http.openapi.answers import ROW
from lightd.http.openapi.schemas import MOMENT, TEXT, WHOLE, described, many, record
from lightd.http.route import Route
from lightd.http.routes.containers import find
from lightd.http.wire import to_list
from lightd.system import System
from lightd.validation.schema import Schema, nullable, shown


async def show(system: System, internal_id: str) -> Response:
    member = find(system, internal_id)
    spec = member.state.spec
    volume_id = None if spec is None else spec.volume_id
    size_mb = system.quotas.sizes().get(volume_id or "")
    return await to_list(
        "points",
        map(_to_point, member.history.read(system.clock())),
        step=STEP,
        **_to_row(member),
        limits=None if spec is None else attrs.asdict(spec.limits),
        volume={
            "volume_id": volume_id,
            "used": None if volume_id is None else await _usage(system, volume_id),
            "size": None if size_mb is None else size_mb * MEGABYTE,
        },
    )


async def list_all(system: System) -> Response:
    reaches, matches = of_request().grant.reaches, to_filter()
    members = [each for each in system.fleet if reaches(each.internal_id) and matches(each)]
    return await to_listing("containers", members, _to_row, attrgetter("internal_id"))


async def _usage(system: System, volume_id: str) -> int | None:
    """Return the bytes in a volume, None if they are unknown."""
    try:
        return await system.quotas.known_usage(volume_id)
    except (FileRefused, OSError):
        return None


def _to_row(member: Member) -> dict[str, Any]:
    return {
        "internal_id": member.internal_id,
        "state": member.state.power_state,
        "current": _to_current(member, member.stats.value),
    }


def _to_current(member: Member, stats: Stats | None) -> dict[str, Any] | None:
    if stats is None:
        return None
    return {"at": member.history.at, **attrs.asdict(stats), "pids": member.history.pids}


_POINT = tuple(field.name for field in attrs.fields(Point))


def _to_point(point: Point) -> dict[str, Any]:
    return {name: getattr(point, name) for name in _POINT}


_PIDS: Schema = described(
    nullable(WHOLE), "its processes and threads; null if they are not counted", unit="processes", example=34
)
_CURRENT: Schema = record(
    {
        "at": described(MOMENT, "when it was measured", example=1767225600.25),
        **STATS,
        "pids": _PIDS,
    },
    means="The newest sample; null if the container does not run or was not measured yet.",
)
_ROW: dict[str, Schema] = {"internal_id": TEXT, "state": ROW["state"], "current": nullable(_CURRENT)}
_VOLUME: Schema = record(
    {
        "volume_id": nullable(TEXT),
        "used": described(
            nullable(WHOLE),
            "what is in the volume; null if it was not measured yet",
            unit="bytes",
            example=734003200,
        ),
        "size": described(
            nullable(WHOLE), "the most that it can hold; null: unlimited", unit="bytes", example=1073741824
        ),
    },
    means="The volume of the container.",
)
_STEP: Schema = record(
    {
        "at": described(WHOLE, "the beginning of the step", unit="Unix seconds", example=1767225600),
        **{name: schema for name, schema in STATS.items() if name in _POINT},
        "pids": _PIDS,
    },
    means="One step.",
)

ROUTES = (
    Route(
        method="GET",
        path="/containers/{internal_id}/stats",
        permission="stats",
        subject=scopes.Container,
        handler=show,
        name="show_stats",
        summary="Show the statistics of a container",
        text="The newest sample, and the last hour in steps of `step` seconds. A step has the mean of `cpu_usage`, the "
        "largest `memory_usage` and `pids`, and the last of the other values. A step in which the container did not "
        "run, or in which it was not measured (because lightd was stopped, for example), is missing. Samples "
        "are taken every `monitoring.interval_ms`, and kept in memory only.",
        curl="call $url/containers/server-001/stats",
        answer=record(
            {
                **_ROW,
                "limits": described(nullable(shown(LimitsBody)), "its limits"),
                "volume": _VOLUME,
                "step": described(WHOLE, "the length of a step", unit="seconds", example=STEP),
                "points": described(many(_STEP), "the steps of the last hour, the oldest first"),
            }
        ),
        errors=CONTAINER,
    ),
    Route(
        method="GET",
        path="/stats",
        permission="stats",
        subject=scopes.Visible,
        handler=list_all,
        name="list_stats",
        summary="List the newest statistics of containers",
        text="Filters and pages are those of the list of containers.",
        curl='call "$url/stats?state=running"',
        parameters=(*FILTERS, *PAGE),
        answer=to_answer("containers", record(_ROW)),
    ),
)
