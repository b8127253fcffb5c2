"""A client of the daemon's API: it returns the JSON of a response, or raises ``Trouble``.

It ignores proxies from the environment and follows no redirects, because the token is for one address. It
uses the standard library only and no event loop, so that a command starts quickly.
"""

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, BinaryIO, Final
from urllib.parse import urlencode, urlsplit

import attrs

from lightd.cli.commands.address import Address, to_port
from lightd.cli.commands.suggesting import to_hint
from lightd.cli.commands.trouble import FAILED, REFUSED, UNKNOWN, UNREACHABLE, WRONG, Trouble

MEDIA_TYPE: Final = "Application/vnd.pkglatv1+json"
NO_CONNECTION: Final = "cannot connect to the daemon"
CONNECTING: Final = 5.0
PATIENCE: Final = 30.0
_UNKNOWN: Final = frozenset(
    {"container_not_found", "volume_not_found", "token_not_found", "port_not_found", "egg_not_found"}
)
_LISTS: Final = {"container_not_found": ("containers", "internal_id"), "egg_not_found": ("eggs", "id")}
"""Where the ids are that can have been meant, by the code of the error."""


@attrs.frozen
class Client:
    """Sends requests to the daemon at ``address``, each over a connection of its own. Blocks."""

    address: Address

    def ask(
        self,
        method: str,
        path: str,
        /,
        *,
        patience: float = PATIENCE,
        body: object = None,
        **params: str | float,
    ) -> Any:  # noqa: ANN401 - JSON
        """The JSON of the response; raises ``Trouble``. ``patience`` is in seconds without a byte."""
        data = None if body is None else json.dumps(body).encode()
        try:
            with self._responding(method, path, params, data, patience) as response:
                return self._read(path, response)
        except Trouble as trouble:
            listed = _LISTS.get(str(trouble.answer.get("code")))
            if listed is None:
                raise
            hint = self._find_similar(path, *listed)
            raise Trouble(trouble.code, f"{trouble}{hint}", trouble.answer) from None

    def _find_similar(self, path: str, name: str, key: str) -> str:
        """A hint at what is in the list ``name`` with an id like the unknown one in ``path``."""
        try:
            with self._responding("GET", f"/{name}", {}, None, PATIENCE) as response:
                ids = [str(row[key]) for row in self._read(f"/{name}", response)[name]]
            given = path.split("/")[2]
        except (Trouble, LookupError):
            return ""
        return "" if given in ids else to_hint(given, ids)

    def upload(self, path: str, source: BinaryIO, length: int, /, **params: str) -> Any:  # noqa: ANN401 - JSON
        """Send ``length`` bytes of ``source`` in a PUT request; the JSON of the response, or ``Trouble``."""
        with self._responding("PUT", path, params, source, PATIENCE, length) as response:
            return self._read(path, response)

    @contextmanager
    def download(self, path: str, /, **params: str) -> Iterator[HTTPResponse]:
        """A response, whose whole body the block reads in pieces; raises ``Trouble``, also at its end."""
        with self._responding("GET", path, params, None, PATIENCE) as response:
            if response.status != HTTPStatus.OK:
                self._read(path, response)
            yield response
            if response.length:  # a read of a part does not raise an error for it
                raise Trouble(UNREACHABLE, "the connection ended before the whole file was received")

    @contextmanager
    def _responding(
        self,
        method: str,
        path: str,
        params: dict[str, Any],
        body: bytes | BinaryIO | None,
        patience: float,
        length: int | None = None,
    ) -> Iterator[HTTPResponse]:
        parts = urlsplit(self.address.url)
        headers = {"Authorization": f"Bearer {self.address.token}", "Accept": MEDIA_TYPE}
        if body is not None:
            headers["Content-Type"] = "application/json" if length is None else "application/octet-stream"
        if length is not None:
            headers["Content-Length"] = str(length)
        query = f"?{urlencode(params)}" if params else ""
        connection = _to_connection(self.address)
        try:
            connection.connect()
            connection.sock.settimeout(patience)
            with suppress(BrokenPipeError, ConnectionResetError):  # a rejected body: the response says why
                connection.request(method, f"{parts.path}{path}{query}", body, headers)
            yield connection.getresponse()
        except TimeoutError:
            raise Trouble(UNREACHABLE, f"timeout: the daemon at {self.address.url} did not answer") from None
        except (OSError, HTTPException) as error:
            raise unreachable(self.address, error) from None
        finally:
            connection.close()

    def _read(self, path: str, response: HTTPResponse) -> Any:  # noqa: ANN401 - JSON
        try:
            said = json.loads(response.read())
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise Trouble(UNREACHABLE, f"the server at {self.address.url} is not lightd")
        if HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
            return said
        raise to_trouble(response.status, said, path, self.address)


def _to_connection(address: Address) -> HTTPConnection:
    host, port = urlsplit(address.url).hostname or "", to_port(address.url)
    if address.url.startswith("https:"):
        return HTTPSConnection(host, port, timeout=CONNECTING, context=to_context(address))
    return HTTPConnection(host, port, timeout=CONNECTING)


def unreachable(address: Address, error: Exception) -> Trouble:
    """The error for a daemon that cannot be reached at ``address``."""
    reason = _reason(error)
    advice = (
        "; use --ca FILE with the certificate of its authority"
        if "CERTIFICATE_VERIFY_FAILED" in reason
        else ""
    )
    where = "" if address.configuration is None else f", the address in {address.configuration}"
    return Trouble(UNREACHABLE, f"{NO_CONNECTION} at {address.url}{where}: {reason}{advice}")


def _reason(error: Exception) -> str:
    """The first message in ``error`` or its causes."""
    cause: BaseException | None = error
    while cause is not None:
        if message := getattr(cause, "strerror", None) or str(cause):
            return str(message)
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__


def to_trouble(status: int, said: dict[str, Any], path: str, address: Address) -> Trouble:
    """The error that an unsuccessful response to a request for ``path`` means. Pure."""
    sentence = str(said.get("error", f"the daemon answered {status}"))
    if "request_id" in said:
        sentence = f"{sentence} (request {said['request_id']} in the daemon's log)"
    rejected = f"rejected by the daemon at {address.url}"
    if status == HTTPStatus.UNAUTHORIZED:
        return Trouble(REFUSED, f"{rejected}: {sentence}; {_to_advice(address)}", said)
    if status == HTTPStatus.FORBIDDEN:
        return Trouble(REFUSED, f"{rejected}: {sentence}", said)
    if said.get("code") in _UNKNOWN:
        return Trouble(UNKNOWN, _named(sentence, path), said)
    if "operation_id" in said:
        return Trouble(FAILED, f"{said.get('message')}: {sentence}", said)
    return Trouble(FAILED, sentence, said)


def _named(sentence: str, path: str) -> str:
    """``no such container: ID``, if the path of the request has the id."""
    match path.split("/"):
        case ["", "containers" | "volumes" | "ws" | "eggs", name, *_] | ["", "auth", "tokens", name]:
            return f"{sentence}: {name}"
        case _:
            return sentence


def _to_advice(address: Address) -> str:
    """How to fix that the daemon does not accept the token."""
    if address.token_path is None or address.token_path != address.configuration:
        return f"the token in {address.token_path} is not, or no longer, one of its tokens"
    return (
        f"the token in {address.configuration} is not its token: the daemon uses another configuration (name"
        " it with --config), or has not read this one again since it was changed (systemctl reload lightd)"
    )


def to_context(address: Address) -> ssl.SSLContext:
    """The TLS context: trusts the system's authorities, or the certificates of ``address``."""
    try:
        if address.pinned is not None and address.ca is None:
            context = ssl.create_default_context(cadata=address.pinned)
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a certificate that is no authority
            context.check_hostname = False
            return context
        return ssl.create_default_context(cafile=address.ca)
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "strerror", None) or error
        which = "server.tls.cert" if address.ca is None else f"--ca {address.ca}"
        raise Trouble(WRONG, f"cannot use {which}: {reason}") from None
