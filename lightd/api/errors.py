"""A request that can't be done, as an exception with a stable code and a sentence for people.

It knows no HTTP: ``lightd.http.errors`` maps it, and the errors of actors, files and engines, to a status.
"""


class ApiError(Exception):
    """``code`` is one of ``lightd.http.codes``; ``message`` says what failed and for what."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def bad_request(message: str, code: str = "invalid_request") -> ApiError:
    """Return the error for invalid input; ``message`` names the field."""
    return ApiError(code, message)


def not_found(what: str) -> ApiError:
    """Return the error for something that does not exist, or that the token is not for."""
    return ApiError(f"{what}_not_found", f"no such {what}")
