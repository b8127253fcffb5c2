"""Passwords that people invent: hashed with scrypt (RFC 7914), so that a stolen hash takes long to guess.

One hash takes 16 MiB and about 50 ms; call it in a thread, a few at a time.
"""

import base64
import hashlib
import hmac
import os
from typing import Final

COST: Final = 14
"""The logarithm of scrypt's N: 16 MiB with a block size of 8."""
_BLOCK: Final = 8
_SALT: Final = 16
_LENGTH: Final = 32
_MOST: Final = 20
_FIELDS: Final = 4


def hash_password(password: str) -> str:
    """Return the hash of ``password``, with its salt and its cost."""
    salt = os.urandom(_SALT)
    return f"scrypt${COST}${_encode(salt)}${_encode(_derive(password, salt, COST))}"


def matches(password: str, stored: str) -> bool:
    """Return true if ``stored`` is the hash of ``password``; it takes as long for a wrong one."""
    fields = stored.split("$")
    if len(fields) != _FIELDS or fields[0] != "scrypt" or not fields[1].isdecimal() or int(fields[1]) > _MOST:
        return False
    derived = _derive(password, base64.b64decode(fields[2]), int(fields[1]))
    return hmac.compare_digest(derived, base64.b64decode(fields[3]))


def _derive(password: str, salt: bytes, cost: int) -> bytes:
    return hashlib.scrypt(
        password.encode("utf-8", "surrogatepass"),
        salt=salt,
        n=1 << cost,
        r=_BLOCK,
        p=1,
        maxmem=256 * _BLOCK << cost,
        dklen=_LENGTH,
    )


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
