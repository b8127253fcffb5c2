"""The web console as the daemon serves it: its page, its files, and what they may do."""

import gzip
import json
import random
import re

import httpx
import pytest

from lightd.http import web_console
from lightd.http.transport.connection import Connection
from tests.api.front import HEADERS, open_api

SCRIPT = "main-AAAAAAAA.js"
STYLE = "style-BBBBBBBB.css"
CONTENTS = {
    SCRIPT: b"// " + random.Random(1).randbytes(200_000).hex().encode(),
    STYLE: b"body { margin: 0 }\n",
}


@pytest.fixture
async def built(tmp_path, monkeypatch):
    """A served daemon with a console of two files."""
    folder = tmp_path / "ui"
    folder.mkdir()
    for name, contents in CONTENTS.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(contents))
    manifest = {"script": SCRIPT, "style": STYLE, "files": sorted(CONTENTS)}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    monkeypatch.setattr(web_console, "FOLDER", folder)
    async with open_api(tmp_path) as api:
        yield api


async def load(api, path, method="GET", /, **headers):
    async with httpx.AsyncClient() as browser:
        return await browser.request(method, api.url + path, headers=headers)


@pytest.mark.parametrize(
    ("path", "up"),
    [
        ("/", ""),
        ("/ui", ""),
        ("/ui/", "../"),
        ("/ui/c/server-001", "../../"),
        ("/ui/c/server-001/files?path=a/b", "../../../"),
    ],
)
async def test_page_names_its_files_relative_to_its_path(built, path, up):
    page = await load(built, path)
    assert page.status_code == 200
    assert re.findall(r'(?:src|href)="([^"]*assets[^"]*)"', page.text) == [
        f"{up}ui/assets/{STYLE}",
        f"{up}ui/assets/{SCRIPT}",
    ]


async def test_page_allows_only_its_own_files_and_its_nonce(built):
    one, other = await load(built, "/"), await load(built, "/")
    policy = one.headers["Content-Security-Policy"]
    nonce = re.search(r"'nonce-([\w-]+)'", policy)[1]
    assert f'content="{nonce}"' in one.text
    assert nonce not in other.text
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self' 'nonce-")
    assert "unsafe" not in policy
    assert "<script>" not in one.text
    assert "style=" not in one.text
    assert one.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("name", [SCRIPT, STYLE])
async def test_file_is_compressed_and_kept_for_ever(built, name):
    answer = await load(built, f"/ui/assets/{name}", **{"Accept-Encoding": "gzip"})
    assert answer.content == CONTENTS[name]
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    again = await load(built, f"/ui/assets/{name}", **{"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_file_is_sent_plain_to_a_client_without_gzip(built):
    answer = await load(built, f"/ui/assets/{SCRIPT}", **{"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in answer.headers
    assert answer.content == CONTENTS[SCRIPT]


@pytest.mark.parametrize("coding", ["identity", "gzip"])
async def test_file_is_one_piece_of_memory_for_all_who_ask(built, monkeypatch, coding):
    sent, write_large = [], Connection.write_large

    def keep(connection, data):
        sent.append(data)
        return write_large(connection, data)

    monkeypatch.setattr(Connection, "write_large", keep)
    for _ in range(3):
        await load(built, f"/ui/assets/{SCRIPT}", **{"Accept-Encoding": coding})
    assert len({id(each) for each in sent}) == 1
    assert len(sent) == 3


@pytest.mark.parametrize("path", ["/", f"/ui/assets/{SCRIPT}"])
async def test_head_has_the_headers_without_the_body(built, path):
    answer = await load(built, path, "HEAD")
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("name", ["other.js", "../manifest.json", "manifest.json", "..%2Fmanifest.json", ""])
async def test_file_that_is_none_is_a_404(built, name):
    answer = await load(built, f"/ui/assets/{name}")
    assert answer.status_code == 404 or "manifest" not in answer.text
    assert '"files"' not in answer.text


@pytest.mark.parametrize("path", ["/uix", "/ui2/x"])
async def test_other_paths_need_a_token(built, path):
    assert (await load(built, path)).status_code == 401


async def test_page_takes_only_reads(built):
    assert (await load(built, "/", "POST")).status_code == 401


async def test_page_without_files_says_what_to_run(tmp_path, monkeypatch):
    monkeypatch.setattr(web_console, "FOLDER", tmp_path / "missing")
    async with open_api(tmp_path) as api:
        page = await load(api, "/ui/c/x")
        assert page.status_code == 503
        assert "bash tests/rig/run ui" in page.text


async def test_console_is_turned_off_and_on_without_a_restart(built):
    assert (await load(built, "/")).status_code == 200
    assert "server.ui" in (await built.reload(server={"ui": False}))["applied"]
    for path in ("/", "/ui/c/server-001", f"/ui/assets/{SCRIPT}"):
        assert (await load(built, path)).json()["code"] == "unauthorized"
        assert (await built.ask("GET", path)).status_code == 404
    await built.reload(server={"ui": True})
    assert (await load(built, f"/ui/assets/{SCRIPT}")).status_code == 200


async def test_self_of_the_master_token_is_not_limited(api):
    assert await api.get("/auth/self") == {
        "id": "master",
        "master": True,
        "expires_at": None,
        "containers": None,
        "permissions": None,
    }


async def test_self_of_a_minted_token_is_what_was_minted(api):
    body = {"ttl": "1h", "containers": ["s2", "s1"], "permissions": ["power", "console.read"]}
    made = await api.post("/auth/tokens", body)
    answer = await api.ask(
        "GET", "/auth/self", headers={**HEADERS, "Authorization": f"Bearer {made['token']}"}
    )
    assert answer.json() == {
        "id": made["id"],
        "master": False,
        "expires_at": made["expires_at"],
        "containers": ["s1", "s2"],
        "permissions": ["console.read", "power"],
    }
