"""The codings of responses that a client can read."""

MOST_CODINGS = 20
"""The number of codings in an ``Accept-Encoding`` header that are read."""


def takes_gzip(accepted: str) -> bool:
    """Whether a client that sent ``accepted`` (RFC 9110, 12.5.3) says that it can read gzip."""
    for coding in accepted.lower().split(",", MOST_CODINGS)[:MOST_CODINGS]:
        name, _, weight = coding.partition(";")
        if name.strip() == "gzip":
            return weight.replace(" ", "").rstrip("0") not in ("q=", "q=0.")
    return False
