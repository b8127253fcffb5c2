"""The samples of the routes, run as they stand, in their order; docs/reference.md has those for the shell."""

import json
import os
import re
import sys
from pathlib import Path

import trio

from lightd.http.openapi import samples
from lightd.http.openapi.document import to_document
from lightd.http.routes.table import SECTIONS
from tests.rig import engine

PAGE = Path(__file__).parents[2] / "docs/reference.md"
REFUSED = dict.fromkeys(
    (
        "GET /containers/{internal_id}/query",
        "POST /containers/{internal_id}/revive",
        "POST /orphans/containers/adopt",
        "POST /orphans/volumes/adopt",
    ),
    22,
)
"""No container is in quarantine, none has a port to query, and no journal was lost:
curl's exit code for an error's status."""
FREE = (
    *("data", "environment", "labels", "mount"),
    *("egg", "files", "hints", "images", "missing", "variables"),
)
"""Fields whose names are those of the user, of an egg, or of one kind of event."""
PAGED = {"next"}
"""Only a page of a list has it."""
DOCUMENTS = ("GET /openapi.json", "GET /asyncapi.json")


def blocks():
    """Each route of the page with its lines, and before them all what defines ``call``."""
    text = PAGE.read_text()
    first, *others = re.findall(r"(?:### `([A-Z]+ [^`]+)`\n\n[^\n]+\n\n)?```bash\n(.*?)```", text, re.DOTALL)
    return first[1], others


async def check_every_line_works(url, token, folder, image):
    """Run them all in one shell, where none fails. Returns the routes in the order of the page."""
    engine.require("curl")
    prelude, routes = blocks()
    assert prelude.startswith("url=")
    lines = ["set -uo pipefail", prelude.partition("\n")[2]]
    for n, (_, block) in enumerate(routes):
        lines.append(f"{{ {block}}} >out.{n} 2>err.{n}; echo $?")
    environment = {**os.environ, "url": url, "token": token, "IMAGE": image}
    done = await trio.run_process(
        ["bash", "-c", "\n".join(lines)], cwd=folder, env=environment, capture_stdout=True, check=False
    )
    codes = list(map(int, done.stdout.split()))
    assert len(codes) == len(routes)
    for n, ((route, block), code) in enumerate(zip(routes, codes, strict=True)):
        said = (folder / f"out.{n}").read_text() + (folder / f"err.{n}").read_text()
        assert code == REFUSED.get(route, 0), (route, block, said)
        if '"status":"' in said and route.startswith("POST /containers"):
            assert '"status":"succeeded"' in said, (route, said)
        if code == 0 and said.startswith("{") and route not in DOCUMENTS:
            check_example(route, last_value(said))
    return [route for route, _ in routes]


def last_value(text):
    """The last of the JSON values in ``text``: its own line's, behind those of the lines before."""
    found, at = None, 0
    while at < len(text):
        found, at = json.JSONDecoder().raw_decode(text, at)
    return found


def check_example(route, answer):
    """An example of the route's success in the document has the form of ``answer``, which the daemon gave."""
    method, path = route.split()
    responses = to_document(SECTIONS)["paths"][path][method.lower()]["responses"]
    content = responses["201" if "201" in responses else "200"]["content"]["application/json"]
    examples = (
        [content["example"]]
        if "example" in content
        else [each["value"] for each in content["examples"].values()]
    )
    assert any(has_form(answer, example) for example in examples), (route, answer, examples)


def has_form(found, example):
    """Both have the same fields, with values of the same types; a value can be null in one of them."""
    match found, example:
        case dict(), dict():
            return found.keys() - PAGED == example.keys() - PAGED and all(
                name in FREE or has_form(found[name], example[name]) for name in found.keys() & example.keys()
            )
        case list(), list():
            return all(has_form(found[0], each) for each in example) if found and example else True
        case (None, _) | (_, None):
            return True
        case bool(), _:
            return isinstance(example, bool)
        case int() | float(), int() | float():
            return not isinstance(example, bool)
        case _:
            return type(found) is type(example)


async def check_every_sample_works(lang, url, token, folder, image):
    """Run the samples of all routes in one program, where none fails. Returns the number of routes."""
    routes = [route for section in SECTIONS for route in section.routes]
    refused = [f"{route.method} {route.path}" in REFUSED for route in routes]
    written = [
        next(each["source"] for each in samples.to_samples(route) if each["lang"] == lang).replace(
            json.dumps("busybox:stable"), json.dumps(image)
        )
        for route in routes
    ]
    prelude = samples.PRELUDES[lang].replace(samples.ADDRESS, url).replace(samples.TOKEN, token)
    name = f"samples-{lang.lower()}"  # the lines for the shell may run beside it, with the same engine
    written = [source.replace("server-001", name) for source in written]
    program, command = _PROGRAMS[lang](prelude, written, refused)
    path = folder / program[0]
    path.write_text(program[1])
    done = await trio.run_process(
        [*command, str(path)], cwd=folder, capture_stdout=True, capture_stderr=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return len(routes)


def _to_python(prelude, written, refused):
    parts = [prelude]
    for source, fails in zip(written, refused, strict=True):
        if not fails:
            parts.append(source)
            continue
        parts += ["try:", *(f"    {line}" for line in source.splitlines())]
        parts += ["except httpx.HTTPStatusError:", "    pass", "else:", "    raise SystemExit(1)"]
    return ("samples.py", "\n".join([*parts, "client.close()"])), (sys.executable, "-W", "error")


def _to_javascript(prelude, written, refused):
    engine.require("node")
    parts = [prelude]
    for source, fails in zip(written, refused, strict=True):
        ends = "then(() => process.exit(1), () => {})"
        parts.append(f"await (async () => {{ {source} }})().{ends};" if fails else source)
    return ("samples.mjs", "\n".join(parts)), ("node",)


_PROGRAMS = {"Python": _to_python, "JavaScript": _to_javascript}
