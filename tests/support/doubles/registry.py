"""A registry on this machine with one image, whose layer comes as slowly as a test wants it.

It may want credentials (RFC 7617); ``authorizations`` is what every request brought.
"""

import base64
import gzip
import hashlib
import io
import json
import tarfile
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
SIZE = 4 * 1024 * 1024


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Registry:
    """``release`` lets the rest of the layer through; ``left`` is set when a client left before that."""

    def __init__(self, credentials: str | None = None) -> None:
        self.wanted = (
            None if credentials is None else "Basic " + base64.b64encode(credentials.encode()).decode()
        )
        self.authorizations = set()
        self.release = threading.Event()
        self.left = threading.Event()
        self.asked = threading.Event()
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            entry = tarfile.TarInfo("file")
            entry.size = SIZE
            # Text that gzip makes no smaller, so that it takes as long as it is long.
            tar.addfile(
                entry, io.BytesIO(b"".join(hashlib.sha512(b"%d" % n).digest() for n in range(SIZE // 64)))
            )
        self.put(buffer.getvalue())

    def put(self, tree: bytes, environment=()) -> None:
        """Serve the image of this tar with these variables (``NAME=value``) from now on: the tag moves."""
        layer = gzip.compress(tree, 1, mtime=0)
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {"Env": list(environment)},
                "rootfs": {"type": "layers", "diff_ids": [digest(tree)]},
            }
        ).encode()
        self.layer = digest(layer)
        self.blobs = {digest(config): config, self.layer: layer}
        self.manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"mediaType": CONFIG, "size": len(config), "digest": digest(config)},
                "layers": [{"mediaType": LAYER, "size": len(layer), "digest": self.layer}],
            }
        ).encode()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        name = handler.path.rpartition("/")[2]
        given = handler.headers.get("Authorization")
        self.authorizations.add(given)
        if self.wanted is not None and given != self.wanted:
            data = json.dumps({"errors": [{"code": "UNAUTHORIZED", "message": "log in"}]}).encode()
            self.send(handler, 401, "application/json", data)
            return
        if handler.path == "/v2/":
            data, kind = b"{}", "application/json"
        elif "/slow/image/manifests/" in handler.path:
            data, kind = self.manifest, MANIFEST
        elif "/blobs/" in handler.path and name in self.blobs:
            data, kind = self.blobs[name], "application/octet-stream"
        else:
            data = json.dumps(
                {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}
            ).encode()
            self.send(handler, 404, "application/json", data)
            return
        self.send(handler, 200, kind, data, slow=name == self.layer)

    def send(self, handler, status, kind, data, *, slow=False) -> None:
        handler.send_response(status)
        if status == 401:
            handler.send_header("WWW-Authenticate", 'Basic realm="registry"')
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(data)))
        handler.send_header("Docker-Content-Digest", digest(data))
        handler.end_headers()
        if handler.command == "HEAD":
            return
        try:
            for at in range(0, len(data), 64 * 1024):
                handler.wfile.write(data[at : at + 64 * 1024])
                handler.wfile.flush()
                if slow:
                    self.asked.set()
                    self.release.wait(0.05)
        except OSError:
            self.left.set()


@contextmanager
def open_registry(credentials=None):
    """Serve; yields the registry and the host and port that images of it begin with.

    With ``credentials`` (``user:password``) it serves nobody else.
    """
    registry = Registry(credentials)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            registry.answer(self)

        do_HEAD = do_GET  # noqa: N815 - http.server's name

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield registry, f"127.0.0.1:{server.server_address[1]}"
        finally:
            registry.release.set()
            server.shutdown()
            thread.join()
