"""The yardstick for a request: the same answer from Hypercorn and Quart as they come, with nothing of ours.

The handler has its answer ready and in front of it stand the same checks as lightd's: token and media type.
There is no request id, no log line, no deadline and no limit: what differs is in the yardstick's favour.
"""

import base64
import json
import sys
import time

import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from quart import Response, request
from quart_trio import QuartTrio

from actors.kernel.actor import View
from actors.kernel.handle import Handle
from actors.tokens.decider import State
from lightd.access.gate import Gate
from lightd.config.sections import Authorization
from lightd.http.credentials import check_media_type, to_bearer
from lightd.http.wire import to_json
from tests.support.daemon import TOKEN


def make_app(answer: object) -> QuartTrio:
    app = QuartTrio("stock", static_folder=None)
    authorization = Authorization(token=TOKEN)
    gate = Gate(lambda: authorization, Handle("tokens", View(State()), lambda _: None), time.time)

    @app.before_request
    async def admit() -> None:
        gate.authenticate(to_bearer(request.headers.get("Authorization")), request.remote_addr or "")
        check_media_type(",".join(request.headers.getlist("Accept")))

    @app.get("/containers")
    async def list_all() -> Response:
        return to_json(answer)

    @app.get("/containers/<internal_id>")
    async def show(internal_id: str) -> Response:
        return to_json(answer)

    return app


async def run(answer: object) -> None:
    config = Config()
    config.bind = ["127.0.0.1:0"]
    config.errorlog = None
    config.keep_alive_max_requests = 10**6
    async with trio.open_nursery() as nursery:
        urls = await nursery.start(serve, make_app(answer), config)
        print(urls[0], flush=True)


if __name__ == "__main__":
    trio.run(run, json.loads(base64.b64decode(sys.stdin.readline()).partition(b"\r\n\r\n")[2]))
