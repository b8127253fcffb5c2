"""A bare asyncio server that gives the same bytes to everybody: the yardstick for an answer's own cost."""

import asyncio
import base64
import sys

END = b"\r\n\r\n"


class Echo(asyncio.Protocol):
    """Answers each request's head with ``answer``."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._waiting = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *heads, self._waiting = (self._waiting + data).split(END)
        self._transport.write(self._answer * len(heads))


async def serve(answer: bytes) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Echo(answer), "127.0.0.1", 0)
    print("http://{}:{}".format(*server.sockets[0].getsockname()), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(base64.b64decode(sys.stdin.readline())))
