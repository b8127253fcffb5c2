"""Tokens for less than everything, and what the page of the API says of them."""

import re
from functools import cache
from pathlib import Path

from tests.api.front import HEADERS

PAGE = Path(__file__).parents[2] / "docs/reference.md"
_ARGUMENTS = {"{operation_id}": ":operation", "{ip}": ":ip", "{port}": ":port"}


def read_tables():
    """The tables of the page's section on scopes, each a list of rows, each a list of cells."""
    section = PAGE.read_text().split("## Permissions\n")[1].split("\n## ")[0]
    tables = re.findall(r"(?:^\|.*\|\n)+", section, re.MULTILINE)
    return [[line.strip("| ").split(" | ") for line in table.splitlines()[2:]] for table in tables]


@cache
def read_routes():
    """What each route needs, and whether it is closed to tokens with containers: by the page."""
    rows = {}
    for needs, routes in read_tables()[0]:
        for route, mark in re.findall(r"`([^`]+)`(†?)", routes):
            assert route not in rows, f"{route} is there twice"
            rows[route] = (needs.strip("`"), mark == "†")
    return rows


@cache
def read_frames(column):
    """What each kind of frame needs, by the page: of those that come in (1) or go out (2)."""
    return {
        kind: row[0].strip("`") for row in read_tables()[1] for kind in re.findall(r"`([^`]+)`", row[column])
    }


def to_written(route):
    """A route, as the page writes it."""
    path = re.sub(r"{\w+}", lambda found: _ARGUMENTS.get(found[0], ":id"), route.path)
    return f"{route.method} {path}"


async def mint(api, containers=None, permissions=None, ttl="1h"):
    """A new token for that."""
    body = {"ttl": ttl}
    body |= {} if containers is None else {"containers": list(containers)}
    body |= {} if permissions is None else {"permissions": list(permissions)}
    return (await api.post("/auth/tokens", body))["token"]


def bearing(token):
    return {**HEADERS, "Authorization": f"Bearer {token}"}
