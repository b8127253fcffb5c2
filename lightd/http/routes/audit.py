"""The route of the audit."""

from typing import Any, Final

from quart import Blueprint, Response
from quart_trio import QuartTrio

from lightd.audit.entry import Entry
from lightd.http import queries
from lightd.http.wire import to_json
from lightd.system import System

MOST: Final = 1000


def install(app: QuartTrio, system: System) -> None:
    """Add the route of the audit to ``app``."""
    routes = Blueprint("audit", __name__)

    @routes.get("/audit")
    async def show() -> Response:
        queries.check_names("since", "limit")
        since, limit = queries.whole("since", 0, 0, 2**62), queries.whole("limit", 100, 1, MOST)
        entries = await system.audit.read(since, limit)
        following = entries[-1].seq if entries else since
        return to_json({"entries": [to_row(entry) for entry in entries], "next": following})

    app.register_blueprint(routes)


def to_row(entry: Entry) -> dict[str, Any]:
    """Return an entry as the API shows it."""
    asked, outcome = entry.asked, entry.outcome
    return {
        "seq": entry.seq,
        "at": asked.at,
        "token_id": asked.token_id,
        "address": asked.address,
        "request_id": asked.request_id,
        "method": asked.method,
        "route": asked.route,
        "subject": outcome.subject,
        "operation_id": outcome.operation_id,
        "status": outcome.status,
        "code": outcome.code,
    }
