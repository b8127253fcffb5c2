"""Clients that stock generators make of the OpenAPI document, for Python, TypeScript and Go.

Each folder of ``tests/clients`` has a program that runs the life of a container with its client. The versions
of the generators are in constraints.txt, package-lock.json and go.sum.
"""

import json
import os
import re
import shutil
import sys
from pathlib import Path

import jsonschema_rs
import pytest
import trio

from lightd.http.openapi import asyncapi
from lightd.http.openapi.document import to_document
from lightd.http.routes.table import SECTIONS
from tests.rig import engine
from tests.support.fork_server import to_unmeasured

CLIENTS = Path(__file__).parents[1] / "clients"
NAMES = [route.name for section in SECTIONS for route in section.routes]
LIFE = {
    "ports": 3,
    "created": "succeeded",
    "started": "succeeded",
    "commands": 3,
    "state": "running",
    "memory": None,
    "missing": "container_not_found",
    "stopped": "succeeded",
    "deleted": "Container deleted successfully",
}
"""What each program prints, beside the ``logs``."""


async def run(*command, folder, **environment):
    """What a program prints on both; it must succeed, and warn of nothing."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = await trio.run_process(
        command,
        cwd=folder,
        env={**to_unmeasured(), "PATH": path, **environment},
        capture_stdout=True,
        capture_stderr=True,
        check=False,
    )
    said = done.stdout.decode() + done.stderr.decode()
    assert done.returncode == 0, said[-10_000:]
    assert "warning" not in said.lower(), said[-10_000:]
    return said


def write_document(folder):
    path = folder / "openapi.json"
    path.write_text(json.dumps(to_document(SECTIONS)))
    return path


async def make_python(folder):
    """The program for a client in Python, and the names of the client's functions."""
    path = write_document(folder)
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--path", str(path)]
    await run(
        *(*command, "--output-path", "lightd_client", "--meta", "none", "--fail-on-warning"), folder=folder
    )
    shutil.copy(CLIENTS / "python/life.py", folder)
    found = [each.stem for each in folder.glob("lightd_client/api/*/*.py") if each.stem != "__init__"]
    return [sys.executable, "-W", "error", "life.py"], found


async def make_typescript(folder):
    """The same for TypeScript; its compiler checks the program against the types."""
    engine.require("node", "npm")
    write_document(folder)
    for name in ("package.json", "package-lock.json", "tsconfig.json", "life.ts"):
        shutil.copy(CLIENTS / "typescript" / name, folder)
    await run(
        "npm", "ci", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel", "error", folder=folder
    )
    check_asyncapi(folder)
    options = ("--default-non-nullable", "false")
    await run(
        "node_modules/.bin/openapi-typescript", "openapi.json", "--output", "api.ts", *options, folder=folder
    )
    await run("node_modules/.bin/tsc", folder=folder)
    operations = (folder / "api.ts").read_text().partition("export interface operations {")[2]
    return ["node", "life.js"], re.findall(r"^    (\w+): \{$", operations, re.MULTILINE)


def check_asyncapi(folder):
    """The AsyncAPI document is one by the schema that AsyncAPI publishes, which notices what is not."""
    path = folder / "node_modules/@asyncapi/specs/schemas/3.0.0-without-$id.json"
    published = jsonschema_rs.Draft7Validator(json.loads(path.read_text()))
    document = asyncapi.to_document()
    assert [each.message for each in published.iter_errors(document)] == []
    odd = {**document, "channels": {"odd": {**document["channels"]["watch_node"], "nonsense": 1}}}
    assert not published.is_valid(odd)


async def make_go(folder):
    """The same for Go."""
    wanted = re.search(r"^go (\d+)\.(\d+)", (CLIENTS / "go/go.mod").read_text(), re.MULTILINE)
    present = re.search(
        r"go(\d+)\.(\d+)", await run("go", "version", folder=folder) if shutil.which("go") else ""
    )
    if present is None or tuple(map(int, present.groups())) < tuple(map(int, wanted.groups())):
        pytest.skip("this machine has no Go, or an older one")  # Debian's is older
    path = write_document(folder)
    for name in ("go.mod", "go.sum", "main.go"):
        shutil.copy(CLIENTS / "go" / name, folder)
    (folder / "client").mkdir()
    command = ("go", "tool", "oapi-codegen", "-generate", "types,client", "-package", "client")
    await run(*command, "-o", "client/client.go", str(path), folder=folder, GOTOOLCHAIN="local")
    await run("go", "build", "-o", "life", ".", folder=folder, GOTOOLCHAIN="local")
    source = (folder / "client/client.go").read_text()
    found = re.findall(r"^func \(c \*ClientWithResponses\) (\w+)WithResponse\(", source, re.MULTILINE)
    names = [each.removesuffix("WithBody") for each in found]
    return ["./life"], [re.sub(r"(?<!^)(?=[A-Z])", "_", each).lower() for each in names]


MAKERS = {"python": make_python, "typescript": make_typescript, "go": make_go}


async def check_life(language, folder, url, token, image, port):
    """The client of ``language`` has all routes, and runs the life of a container at ``url``."""
    program, found = await MAKERS[language](folder)
    assert sorted(set(found) & set(NAMES)) == sorted(NAMES)
    answer = json.loads(await run(*program, url, token, image, str(port), folder=folder))
    assert any("Ready" in line for line in answer.pop("logs"))
    assert answer == LIFE
