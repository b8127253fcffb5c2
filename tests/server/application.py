"""A small application that does on request what a handler should not do."""

from __future__ import annotations

from collections.abc import AsyncIterator

import trio
from quart import Response, abort, request, websocket
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException

from lightd.http.transport import websocket as transport_websocket
from lightd.http.transport.application import Application
from lightd.http.transport.protocol import PROVE

CHUNK = b"." * 65536


def make() -> QuartTrio:
    """`app.config["RECORD"]` has what the handlers saw, in order."""
    app = Application(__name__)
    record = app.config["RECORD"] = []
    app.config["GO"] = trio.Event()
    _add_requests(app, record)
    _add_websockets(app, record)
    return app


def _add_requests(app: QuartTrio, record: list[object]) -> None:
    @app.errorhandler(HTTPException)
    async def error(error: HTTPException) -> tuple[dict[str, str], int]:
        return {
            "error": error.description or "",
            "code": error.name.lower().replace(" ", "_"),
        }, error.code or 500

    @app.get("/")
    async def index() -> dict[str, bool]:
        return {"ok": True}

    @app.get("/prove")
    async def prove() -> dict[str, bool]:
        request.scope["state"][PROVE]()
        return {"ok": True}

    @app.get("/crash")
    async def crash() -> str:
        raise ZeroDivisionError

    @app.get("/wait")
    async def wait() -> str:
        try:
            record.append("waiting")
            await app.config["GO"].wait()
            record.append("answered")
        except trio.Cancelled:
            record.append("cancelled")
            raise
        return "done"

    @app.get("/endless")
    async def endless() -> Response:
        async def chunks() -> AsyncIterator[bytes]:
            while True:
                yield CHUNK

        return Response(chunks())

    @app.get("/broken")
    async def broken() -> Response:
        async def chunks() -> AsyncIterator[bytes]:
            yield CHUNK
            raise ZeroDivisionError

        return Response(chunks(), headers={"Content-Length": str(10 * len(CHUNK))})

    @app.post("/echo")
    async def echo() -> bytes:
        return await request.get_data()

    @app.post("/ignore")
    async def ignore() -> str:
        return "not read"

    @app.put("/upload")
    async def upload() -> dict[str, int]:
        request.max_content_length = None
        return {"size": sum([len(chunk) async for chunk in request.body])}

    @app.put("/small")
    async def small() -> dict[str, int]:
        request.max_content_length = 10
        return {"size": len(await request.get_data())}

    @app.put("/unread")
    async def unread() -> str:
        record.append("unread")
        await app.config["GO"].wait()
        return "done"


def _add_websockets(app: QuartTrio, record: list[object]) -> None:
    @app.websocket("/ws/echo")
    async def ws_echo() -> None:
        while True:
            await websocket.send(await websocket.receive())

    @app.websocket("/ws/flood")
    async def ws_flood() -> None:
        while True:
            await websocket.send("x" * 1000)

    @app.websocket("/ws/listen")
    async def ws_listen() -> None:
        await websocket.accept()
        record.append("listening")
        try:
            await trio.sleep_forever()
        finally:
            record.append("left")

    @app.websocket("/ws/return")
    async def ws_finish() -> None:
        await websocket.accept()

    @app.websocket("/ws/crash")
    async def ws_crash() -> None:
        await websocket.receive()
        raise ZeroDivisionError

    @app.websocket("/ws/abort")
    async def ws_late() -> None:
        await websocket.receive()
        abort(403)

    @app.websocket("/ws/4401")
    async def ws_revoked() -> None:
        await websocket.accept()
        await websocket.close(4401, "the token has expired")
        await websocket.send("too late")

    @app.websocket("/ws/private")
    async def ws_private() -> tuple[dict[str, str], int]:
        await trio.sleep(0.01)
        return {"error": "A token is needed.", "code": "unauthorized"}, 401

    @app.websocket("/ws/silent")
    async def ws_silent() -> None:
        record.append("not accepted")

    @app.websocket("/ws/protocol")
    async def ws_protocol() -> None:
        await websocket.accept(subprotocol="never.offered")

    @app.websocket("/ws/direct")
    async def ws_direct() -> None:
        await websocket.accept()
        record.append(transport_websocket.to_socket(websocket.scope))
        await trio.sleep_forever()
