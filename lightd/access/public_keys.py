"""Public keys of OpenSSH (RFC 4253, 5656, 8709): which ones are accepted, and their fingerprints."""

import base64
import binascii
import hashlib
from typing import Final

LONGEST: Final = 4096
"""Characters of a key."""
SHORTEST_RSA: Final = 2048
LONGEST_RSA: Final = 16_384
"""Bits of the modulus of an RSA key."""

_POINTS: Final = {"nistp256": 65, "nistp384": 97, "nistp521": 133}
_ED25519: Final = 32


def to_key(text: str) -> str:
    """Return an OpenSSH public key without options and comment; raises ``ValueError``, which says why."""
    words = text.split()
    if len(text) > LONGEST or len(words) < 2:  # noqa: PLR2004 - a kind and a key
        raise ValueError('must be an OpenSSH public key, as in "ssh-ed25519 AAAA… name"')
    kind, encoded = words[:2]
    try:
        blob = base64.b64decode(encoded, validate=True)
        fields = _to_fields(blob)
        named = fields[0].decode("ascii")
    except (binascii.Error, UnicodeDecodeError, IndexError, ValueError):
        raise ValueError("is not a public key: its base64 is damaged") from None
    if named != kind:
        raise ValueError("is not a public key: it names two kinds")
    _check(kind, fields[1:])
    return f"{kind} {base64.b64encode(blob).decode('ascii')}"


def to_fingerprint(key: str) -> str:
    """Return the fingerprint of a key as OpenSSH shows it, ``SHA256:…``."""
    digest = hashlib.sha256(base64.b64decode(key.split()[1])).digest()
    return f"SHA256:{base64.b64encode(digest).decode('ascii').rstrip('=')}"


def _to_fields(blob: bytes) -> list[bytes]:
    fields = []
    while blob:
        length = int.from_bytes(blob[:4], "big")
        if len(blob) < 4 + length:
            raise ValueError("cut")
        fields.append(blob[4 : 4 + length])
        blob = blob[4 + length :]
    return fields


def _check(kind: str, fields: list[bytes]) -> None:
    """Raise ``ValueError`` unless the fields are those of an accepted kind."""
    if kind == "ssh-ed25519":
        valid = len(fields) == 1 and len(fields[0]) == _ED25519
    elif kind.startswith("ecdsa-sha2-") and kind.removeprefix("ecdsa-sha2-") in _POINTS:
        curve = kind.removeprefix("ecdsa-sha2-")
        valid = len(fields) == 2 and fields[0] == curve.encode() and len(fields[1]) == _POINTS[curve]  # noqa: PLR2004 - a curve and a point
    elif kind == "ssh-rsa":
        valid = len(fields) == 2  # noqa: PLR2004 - the exponent and the modulus
        bits = int.from_bytes(fields[1], "big").bit_length() if valid else 0
        if valid and not SHORTEST_RSA <= bits <= LONGEST_RSA:
            raise ValueError(f"is an RSA key of {bits} bits: at least {SHORTEST_RSA} are needed")
    else:
        raise ValueError("must be an ed25519, ecdsa or rsa key")
    if not valid:
        raise ValueError("is not a public key: its base64 is damaged")
