"""Why a request of a token's bearer is refused. These errors know no HTTP: see ``lightd.http.errors``."""


class AccessError(Exception):
    """The bearer may not do this. ``code`` is a stable slug, ``message`` a sentence for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Unauthenticated(AccessError):  # noqa: N818 - names the state
    """No token was given, or none of the given ones is valid."""

    def __init__(self) -> None:
        super().__init__("unauthorized", "a valid token is needed")


class PermissionDenied(AccessError):  # noqa: N818 - names the state
    """The token is valid, and lacks the permission."""


class NotVisible(AccessError):  # noqa: N818 - names the state
    """The subject does not exist, or is none that the token is for. The message is the same for both."""

    def __init__(self, what: str, message: str | None = None) -> None:
        super().__init__(f"{what}_not_found", message or f"no such {what}")


class LimitExceeded(AccessError):  # noqa: N818 - names the state
    """The bearer may do this again in ``retry_after`` seconds, or when it has less in progress."""

    def __init__(self, code: str, message: str, retry_after: int = 5) -> None:
        super().__init__(code, message)
        self.retry_after = retry_after


def port_not_visible() -> NotVisible:
    """Return the error for a port that is not in the pool, or none of the token's."""
    return NotVisible("port", "Port not found in pool")
