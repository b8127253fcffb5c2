"""The document of the API says what the code does, and the page shows it without help from outside."""

import base64
import hashlib
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import attrs
import jsonschema_rs
import pytest

from lightd.api import bodies, container_fields, file_bodies
from lightd.api.errors import ApiError
from lightd.files import errors as file_errors
from lightd.http import errors
from lightd.http.app import make_app
from lightd.http.error_codes import CODES, FRAME_CODES, SERVER_CODES, STATUSES
from lightd.http.openapi import document
from lightd.http.openapi.page import to_embedded, to_page, to_text
from lightd.http.routes.table import ROUTES, SECTIONS
from lightd.http.transport import refusal
from lightd.http.transport.connection import Connection
from lightd.validation.schema import of_class
from tests.api.front import HEADERS
from tests.contracts.api_checks import check_answer

ROOT = Path(__file__).parents[2]
DOCUMENT = document.to_document(SECTIONS)
OPERATIONS = [
    (method.upper(), path, operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]
ADDED = {"HEAD", "OPTIONS"}  # to a route by the framework


def rules_of(api):
    return list(make_app(api.system, None).url_map.iter_rules())


def to_path(rule):
    return re.sub(r"<(?:[a-z]+:)?([a-z_]+)>", r"{\1}", rule.rule)


async def test_no_url_is_built_from_a_route(api):
    with pytest.raises(NotImplementedError, match="no URL is built"):
        make_app(api.system, None).url_map.bind("here").build("ping")


async def test_every_route_has_an_entry_and_every_entry_a_route(api):
    routes = {
        (method, to_path(rule))
        for rule in rules_of(api)
        if not rule.websocket
        for method in rule.methods - ADDED
    }
    assert routes == {(method, path) for method, path, _ in OPERATIONS}
    assert len(routes) > 50


async def test_every_websocket_route_is_described(api):
    routes = {to_path(rule) for rule in rules_of(api) if rule.websocket}
    assert routes == set(DOCUMENT["x-websocket"]["paths"])


def test_document_is_printed_as_it_is_served():
    script = [sys.executable, ROOT / "docs/render.py", "--openapi"]
    printed = subprocess.run(script, capture_output=True, check=True).stdout
    assert json.loads(printed) == DOCUMENT == json.loads(to_text(SECTIONS))


def test_names_are_given_once_and_every_parameter_of_a_path_is_described():
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(set(names)) == len(names)
    known = DOCUMENT["components"]["parameters"]
    for _, path, operation in OPERATIONS:
        told = [known[each["$ref"].rpartition("/")[2]] for each in operation.get("parameters", [])]
        assert {each["name"] for each in told if each["in"] == "path"} == set(re.findall(r"\{(\w+)\}", path))
        assert len({(each["in"], each["name"]) for each in told}) == len(told)


def test_open_routes_of_the_document_are_those_of_the_application():
    assert {path for _, path, operation in OPERATIONS if operation.get("security") == []} == {
        route.path for route in ROUTES if route.is_open
    }


def test_every_schema_is_one():
    for schema in [
        *DOCUMENT["components"]["schemas"].values(),
        *DOCUMENT["x-websocket"]["server"].values(),
        *DOCUMENT["x-websocket"]["client"].values(),
    ]:
        jsonschema_rs.Draft202012Validator({**schema, "components": DOCUMENT["components"]})


def test_every_reference_leads_somewhere():
    for where in re.findall(r'"\$ref":"#/([^"]+)"', to_text(SECTIONS)):
        found = DOCUMENT
        for key in where.split("/"):
            found = found[key]


OPEN = {"EggImportBody", "EggCheckBody", "VariablesBody"}
"""Bodies with fields of others: an egg file can be the whole body, and variables have any names."""


def test_answer_takes_no_field_that_the_document_lacks():
    schemas = json.loads(to_text(SECTIONS))["components"]["schemas"]
    for name, schema in schemas.items():
        for each in schema.get("oneOf", [schema]):
            assert "$ref" in each or each["additionalProperties"] is False or name in OPEN, name


def test_every_code_has_the_status_that_the_daemon_gives_it():
    for code, each in CODES.items():
        assert errors.to_answer(ApiError(code, "why")).status == each.status
    for cls in file_errors.FileRefused.__subclasses__():
        assert errors.to_answer(cls("why")).status == CODES[cls.code].status
    for code in errors._FRAMEWORK:
        assert code in SERVER_CODES
    assert len(STATUSES) == len(CODES) + len(SERVER_CODES) + len(FRAME_CODES)
    for each in vars(refusal).values():
        if isinstance(each, refusal.Refusal) and each not in (
            refusal.CRASHED,
            refusal.FORBIDDEN,
            refusal.FULL,
        ):
            assert SERVER_CODES[each.code].status == each.status


def test_every_code_in_the_source_is_in_the_document():
    source = "".join(path.read_text() for path in (ROOT / "lightd").rglob("*.py"))
    said = set(re.findall(r'(?:ApiError|HttpError|LimitExceeded|PermissionDenied)\(\s*"(\w+)"', source))
    said |= {f"{what}_not_found" for what in re.findall(r'not_found\("(\w+)"\)', source)}
    assert len(said) > 12
    said |= set(re.findall(r'super\(\).__init__\("(\w+)"', source)) | {"too_many_requests"}
    assert "unauthorized" in said
    assert said <= STATUSES.keys()


def test_every_field_of_a_body_has_a_schema():
    for module in (bodies, container_fields, file_bodies):
        for cls in vars(module).values():
            if isinstance(cls, type) and attrs.has(cls) and cls.__name__.endswith("Body"):
                assert_told(of_class(cls))


def assert_told(schema):
    assert {"type", "enum", "anyOf", "oneOf"} & schema.keys(), schema
    for field in schema.get("properties", {}).values():
        assert_told(field)
    if "items" in schema:
        assert_told(schema["items"])


def test_field_without_a_rule_is_noticed():
    @attrs.frozen
    class Careless:
        name: str

    with pytest.raises(TypeError, match="has no rule"):
        of_class(Careless)


async def test_document_is_served_to_those_who_may(api):
    assert await api.get("/openapi.json") == DOCUMENT
    assert [server["url"] for server in DOCUMENT["servers"]] == ["."]  # right behind a proxy that adds a path
    assert (await api.ask("GET", "/openapi.json", headers={})).status_code == 401
    status, code, _ = await api.refused("GET", "/openapi.json", odd="1")
    assert (status, code) == (400, "invalid_request")


# ---- the page


class Parts(HTMLParser):
    """The elements of the page, and the texts of those that are code."""

    def __init__(self):
        super().__init__()
        self.tags, self.texts = [], {}

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        tag, attributes = self.tags[-1] if self.tags else ("", {})
        if tag in ("style", "script") and data.strip():
            self.texts.setdefault(attributes.get("type", tag), data)


def parts_of(html):
    parts = Parts()
    parts.feed(html)
    return parts


async def test_page_is_open_and_may_run_nothing_but_its_own_script_and_style(api):
    answer = await api.ask("GET", "/docs", headers={})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    parts = parts_of(answer.text)
    allowed = dict(
        each.strip().split(" ", 1) for each in answer.headers["Content-Security-Policy"].split(";")
    )
    for part in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(parts.texts[part].encode()).digest()).decode()
        assert allowed[f"{part}-src"] == f"'sha256-{digest}'"
    assert allowed["default-src"] == "'none'"
    assert json.loads(parts.texts["application/json"]) == json.loads(to_embedded(DOCUMENT))


async def test_page_holds_nothing_of_the_node(api):
    await api.create("secret-server")
    page = (await api.ask("GET", "/docs", headers={})).text
    assert "secret-server" not in page
    assert str(api.system.path.parent) not in page


def test_page_asks_nobody_for_anything():
    html = to_page(SECTIONS).html
    addresses = [
        value
        for _, attributes in parts_of(html).tags
        for name, value in attributes.items()
        if name in ("src", "href", "action", "srcset")
    ]
    assert addresses == ["#main"]
    script = (ROOT / "lightd/http/openapi/page.js").read_text()
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "fetch(",
        "import(",
    ):
        assert word not in script
    style = (ROOT / "lightd/http/openapi/page.css").read_text()
    assert "url(" not in style
    assert "@import" not in style


def test_no_text_of_the_document_can_end_the_element_that_it_stands_in():
    for text in ("</script><script>alert(1)</script>", "<!--<script>", "]]>&lt;"):
        told = to_embedded({"text": text})
        assert not re.search("[<>&]", told)
        assert json.loads(told) == {"text": text}


# ---- the checks themselves


def answered(method, path, status, body, media="application/json"):
    check_answer(method, path, status, media, lambda: body)


def test_answer_of_another_shape_is_noticed():
    ping = {"status": "ok", "message": "Lightd is running", "version": "1"}
    path = "/api/v1/public/ping"
    answered("GET", path, 200, ping)
    for status, body in ((200, {**ping, "more": 1}), (200, {"status": "ok"}), (202, ping), (201, ping)):
        with pytest.raises(AssertionError):
            answered("GET", path, status, body)
    with pytest.raises(AssertionError):
        answered("GET", path, 200, ping, media="text/plain")


def test_answer_of_an_unknown_route_is_noticed():
    with pytest.raises(AssertionError):
        answered("GET", "/nowhere", 200, {})
    with pytest.raises(AssertionError):
        answered("POST", "/docs", 200, {})
    answered("GET", "/nowhere", 404, {"error": "no such route", "code": "route_not_found"})


def test_error_that_the_route_has_not_is_noticed():
    def refuse(status, code, **more):
        answered("GET", "/containers/s1", status, {"error": "x", "code": code, **more})

    refuse(404, "container_not_found")
    refuse(500, "internal_error", request_id="x")
    refuse(413, "body_too_large")
    for status, code in ((404, "volume_not_found"), (409, "container_not_found"), (500, "internal_error")):
        with pytest.raises(AssertionError):
            refuse(status, code)
    with pytest.raises(AssertionError):
        refuse(404, "container_not_found", hint="x")


@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
async def test_document_is_compressed_for_who_can_read_that_and_is_the_same(api, path):
    plain = await api.ask("GET", path, headers={**HEADERS, "Accept-Encoding": "identity, gzip;q=0"})
    packed = await api.ask("GET", path, headers={**HEADERS, "Accept-Encoding": "br, GZIP"})
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"
    assert packed.content == plain.content
    assert int(packed.headers["Content-Length"]) < int(plain.headers["Content-Length"]) / 3
    assert plain.headers["Content-Type"] == packed.headers["Content-Type"]


async def test_document_is_one_piece_of_memory_for_all_who_ask(api):
    sent = []

    def keep(connection, data):
        sent.append(data)
        return write_large(connection, data)

    write_large = Connection.write_large
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Connection, "write_large", keep)
        for _ in range(3):
            await api.ask("GET", "/docs", headers={"Accept-Encoding": "identity"})
    assert [each is to_page(SECTIONS).body for each in sent] == [True] * 3
