"""The routes of files: what they do, and every reason for which they don't."""

import contextlib
import os
import time
from pathlib import Path

import httpx
import pytest
import trio

from lightd.files import copying, deleting, errors, listing, volumes
from lightd.files.jail import Jail
from tests.api.front import HEADERS, NO_VOLUME, held_in, minted, on_disk, route
from tests.contracts.api_checks import CHECKED

ESCAPES = (400, "invalid_path", "Invalid path: path traversal detected")
BAD = ["", ".", "..", "../x", "a/../x", "/etc/x", "C:\\x", "c:x", "\\x", "a\0b", "a\\..\\b", "out", "out/x"]
ROUTES = [
    ("POST", "/files", {"path": "PATH", "content": ""}),
    ("POST", "/folders", {"path": "PATH"}),
    ("POST", "/copy", {"source": "PATH", "destination": "new"}),
    ("POST", "/copy", {"source": "file", "destination": "PATH"}),
    ("POST", "/rename", {"source": "PATH", "destination": "new"}),
    ("POST", "/rename", {"source": "file", "destination": "PATH"}),
    ("POST", "/chmod", {"path": "PATH", "mode": "600"}),
    ("DELETE", "/files", {"paths": ["file", "PATH"]}),
    ("POST", "/compress", {"format": "zip", "output_name": "new", "sources": ["PATH"]}),
    ("POST", "/decompress", {"archive_path": "PATH", "destination": "new"}),
    ("POST", "/decompress", {"archive_path": "file", "destination": "PATH"}),
]
LINKS_THEMSELVES = {"/copy", "/rename", "/files", "/compress"}
"""These are done to a link, whose target is nobody's business; a way through one leads nowhere still."""


async def refused(api, volume, method, path, body):
    return (await api.refused(method, route(volume) + path, body))[:2]


@pytest.mark.parametrize(("method", "path", "body"), ROUTES, ids=str)
async def test_path_that_leads_out_is_refused_by_every_route(api, volume, method, path, body):
    on_disk(volume, "file").write_bytes(bytes(10240))  # an empty tar
    on_disk(volume, "out").symlink_to("/tmp")
    for bad in BAD:
        if (bad == "out" and path in LINKS_THEMSELVES) or (path == "/decompress" and bad in ("", ".")):
            continue
        if bad == "" and "output_name" in body:
            continue
        filled = {
            key: bad
            if value == "PATH"
            else [bad if each == "PATH" else each for each in value]
            if isinstance(value, list)
            else value
            for key, value in body.items()
        }
        assert await api.refused(method, route(volume) + path, filled) == ESCAPES, filled
        assert held_in(volume) == ["file", "out"]


@pytest.mark.parametrize(("method", "path", "body"), ROUTES, ids=str)
async def test_field_that_is_wrong_is_named_by_every_route(api, volume, method, path, body):
    for name in body:
        if name == "sources":
            continue
        rest = {key: value for key, value in body.items() if key != name}
        assert (await api.refused(method, route(volume) + path, rest))[2] == f"{name}: is missing"
        status, code, said = await api.refused(method, route(volume) + path, {**body, name: 5})
        assert (status, code) == (400, "invalid_request")
        assert said.startswith(f"{name}: must be ")
    said = (await api.refused(method, route(volume) + path, {**body, "more": 1}))[2]
    assert said == f"more: unknown field (known here: {', '.join(body)})"
    assert (await api.refused(method, f"{route(volume)}{path}?x=1", body))[2] == "x: unknown query parameter"
    assert (await api.refused(method, f"/volumes/{NO_VOLUME}{path}", body))[:2] == (404, "volume_not_found")
    assert (await api.refused(method, f"/volumes/x{path}", body))[:2] == (400, "invalid_id")


async def test_file_and_a_tree_are_copied(api, volume):
    on_disk(volume, "tree/sub").mkdir(parents=True)
    on_disk(volume, "tree/sub/f").write_text("content")
    on_disk(volume, "tree/link").symlink_to("sub/f")
    path = f"{route(volume)}/copy"
    assert await api.post(path, {"source": "./tree//sub/f", "destination": "a/b/f"}) == {
        "message": "Copied successfully",
        "source": "tree/sub/f",
        "destination": "a/b/f",
    }
    await api.post(path, {"source": "tree", "destination": "copy"})
    assert on_disk(volume, "a/b/f").read_text() == on_disk(volume, "copy/link").read_text() == "content"


async def test_copy_or_move_says_what_is_in_its_way(api, volume):
    on_disk(volume, "d/e").mkdir(parents=True)
    on_disk(volume, "f").write_text("kept")
    on_disk(volume, "self").symlink_to("d")
    os.mkfifo(on_disk(volume, "fifo"))
    for source, destination, copied, moved in [
        ("d", "d", "file_exists", "file_exists"),
        ("d", "d/e/f", "wrong_kind", "wrong_kind"),
        ("d", "self/e/f", "wrong_kind", "wrong_kind"),
        ("f", "d", "file_exists", "file_exists"),
        ("f", "d/e/../x", "invalid_path", "invalid_path"),
        ("f", "f/x", "wrong_kind", "wrong_kind"),
        ("none", "x", "file_not_found", "file_not_found"),
        ("fifo", "x", "wrong_kind", None),
    ]:
        body = {"source": source, "destination": destination}
        assert (await refused(api, volume, "POST", "/copy", body))[1] == copied, body
        if moved is not None:
            assert (await refused(api, volume, "POST", "/rename", body))[1] == moved, body
    assert held_in(volume) == ["d", "f", "fifo", "self"]
    assert list(on_disk(volume, "d/e").iterdir()) == []


async def test_file_is_renamed_with_the_folders_made_for_it(api, volume):
    on_disk(volume, "f").write_text("content")
    assert await api.post(f"{route(volume)}/rename", {"source": "f", "destination": "a/b/g"}) == {
        "message": "Renamed successfully",
        "source": "f",
        "destination": "a/b/g",
    }
    assert on_disk(volume, "a/b/g").read_text() == "content"
    assert held_in(volume) == ["a"]


async def test_mode_is_changed_and_a_set_id_bit_never_set(api, volume):
    on_disk(volume, "f").write_text("")
    path = f"{route(volume)}/chmod"
    for mode in ("755", "0755"):
        assert await api.post(path, {"path": "f", "mode": mode}) == {
            "message": "Mode changed successfully",
            "path": "f",
            "mode": "0755",
        }
        assert on_disk(volume, "f").stat().st_mode & 0o7777 == 0o755
    for mode in ("4755", "1777", "8", "", "rwx", "0o755", "07555"):
        assert await refused(api, volume, "POST", "/chmod", {"path": "f", "mode": mode}) == (
            400,
            "invalid_mode",
        )
    assert await refused(api, volume, "POST", "/chmod", {"path": "g", "mode": "600"}) == (
        404,
        "file_not_found",
    )


async def test_files_and_trees_are_deleted_all_or_none_where_one_is_missing(api, volume):
    on_disk(volume, "d/e").mkdir(parents=True)
    on_disk(volume, "f").write_text("")
    on_disk(volume, "kept").write_text("kept")
    on_disk(volume, "link").symlink_to("kept")
    body = {"paths": ["d", "none", "f"]}
    assert await refused(api, volume, "DELETE", "/files", body) == (404, "file_not_found")
    assert held_in(volume) == ["d", "f", "kept", "link"]
    assert await api.call("DELETE", f"{route(volume)}/files", {"paths": ["d", "./f", "link"]}) == {
        "message": "Files deleted successfully",
        "paths": ["d", "f", "link"],
    }
    assert held_in(volume) == ["kept"]
    assert (await api.refused("DELETE", f"{route(volume)}/files", {"paths": []}))[
        2
    ] == "paths: must hold 1 to 1000 paths"


@pytest.mark.one_python
async def test_thirty_thousand_names_are_listed_page_by_page_and_none_is_opened(api, volume, monkeypatch):
    for number in range(30_000):
        os.close(os.open(on_disk(volume, f"{number:05}"), os.O_CREAT | os.O_WRONLY))
    opened = []
    real = os.open
    monkeypatch.setattr(
        os, "open", lambda path, *args, **named: opened.append(path) or real(path, *args, **named)
    )
    names, cursor = [], {}
    while True:
        page = await api.get(f"{route(volume)}/files", limit=10_000, **cursor)
        names += [entry["name"] for entry in page["files"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert names == [f"{number:05}" for number in range(30_000)]
    opened = [path for path in opened if "inventory" not in str(path)]  # written in the background
    assert set(opened) <= {volume["path"], on_disk(volume), "."}
    assert len(opened) <= 3 * 4  # a few a page, on the way to the folder


async def test_name_is_shown_as_json_whatever_it_holds(api, volume):
    names = ['"', "a\\", "\n", "\x1b[31m", "\u2028", "雪", "<script>"]
    for name in names:
        on_disk(volume, name).write_text("")
    shown = (await api.get(f"{route(volume)}/files"))["files"]
    assert sorted(entry["name"] for entry in shown) == sorted(names)


async def test_client_that_leaves_ends_its_copy_and_nothing_is_left_of_it(api, volume, monkeypatch):
    await slow_work(api, volume, monkeypatch, "/copy", {"source": "d", "destination": "copy"})
    assert held_in(volume) == ["d"]


async def test_client_that_leaves_ends_its_deletion_half_way(api, volume, monkeypatch):
    await slow_work(api, volume, monkeypatch, "/files", {"paths": ["d"]}, method="DELETE")
    assert len(list(on_disk(volume, "d").iterdir())) > 0


async def slow_work(api, volume, monkeypatch, path, body, method="POST"):
    """Begin work that takes an hour, and leave when it is under way."""
    on_disk(volume, "d").mkdir()
    for number in range(100):
        on_disk(volume, f"d/{number}").write_text("x")
    begun, ended = trio.Event(), trio.Event()
    real = volumes._Pacer._step

    async def step(pacer):
        begun.set()
        try:
            await trio.sleep(36)
            await real(pacer)
        except BaseException:
            ended.set()
            raise

    monkeypatch.setattr(volumes, "QUICK", 0.0)
    monkeypatch.setattr(volumes._Pacer, "_step", step)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(api.ask, method, route(volume) + path, body)
        await begun.wait()
        nursery.cancel_scope.cancel()
    with trio.fail_after(20):
        while not ended.is_set():
            await trio.sleep(0.01)
        while volumes_busy(api):
            await trio.sleep(0.01)


def volumes_busy(api):
    return api.system.folders.shares.long.held


async def test_volume_whose_disk_hangs_keeps_nobody_from_another(api, volume, monkeypatch):
    other = await api.volume()
    gate = trio.Event()
    hung = volume["path"]
    real = Jail.find_folder

    def find_folder(jail, path):
        if str(Path(f"/proc/self/fd/{jail.root}").readlink()) == hung:
            trio.from_thread.run(gate.wait)
        return real(jail, path)

    monkeypatch.setattr(Jail, "find_folder", find_folder)
    async with trio.open_nursery() as nursery:
        for _ in range(volumes.WAITING):
            nursery.start_soon(api.get, f"{route(volume)}/files")
        with trio.fail_after(20):
            while api.system.folders.shares.quick.held < volumes.QUICK_IN_ONE:
                await trio.sleep(0.01)
            for _ in range(5):
                await api.get(f"/volumes/{other}/files")
        assert api.system.folders.shares.quick.held == volumes.QUICK_IN_ONE
        gate.set()


async def test_all_that_adds_to_a_volume_is_added_where_there_is_room(api, volume):
    on_disk(volume, "d").mkdir()
    on_disk(volume, "empty.tar").write_bytes(bytes(10240))
    asked = []

    @contextlib.asynccontextmanager
    async def writing(volume_id, count):
        asked.append((volume_id, count))
        raise errors.NoSpace("The volume is full")
        yield

    api.system.folders.writing = writing
    before = held_in(volume)
    for method, path, body in [
        ("POST", "/files", {"path": "f", "content": "\u00e4"}),
        ("POST", "/folders", {"path": "e"}),
        ("POST", "/copy", {"source": "d", "destination": "e"}),
        ("POST", "/compress", {"format": "zip", "output_name": "a"}),
        ("POST", "/decompress", {"archive_path": "empty.tar", "destination": ""}),
    ]:
        assert await refused(api, volume, method, path, body) == (507, "no_space")
    answer = await api.ask("PUT", f"{route(volume)}/files/content?path=f", content=b"12345")
    assert answer.status_code == 507
    assert asked == [(volume["id"], count) for count in (2, 0, 0, 0, 0, 5)]
    assert held_in(volume) == before


def test_depth_of_a_copy_and_of_a_deletion_are_bounds_of_descriptors():
    assert copying.DEPTH * 3 < 1024 > deleting.DEPTH * 2


def a_client(api):
    """One that has as many connections as it likes."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    return httpx.AsyncClient(
        base_url=api.url, headers=HEADERS, limits=limits, timeout=60, trust_env=False, event_hooks=CHECKED
    )


async def test_volume_that_is_asked_for_more_than_may_wait_answers_429(api, volume, monkeypatch):
    monkeypatch.setattr(api.system.folders.shares.quick, "waiting", 3)
    gate, statuses = trio.Event(), []
    real = Jail.find_folder

    def find_folder(jail, path):
        trio.from_thread.run(gate.wait)
        return real(jail, path)

    async def ask(client):
        answer = await client.get(f"{route(volume)}/files")
        statuses.append(answer.status_code)
        if answer.status_code == 429:
            said = "This volume has too many file operations: 4 at once, and 3 more wait; try again later"
            assert answer.json() == {"error": said, "code": "volume_busy"}
            assert int(answer.headers["Retry-After"]) > 0

    monkeypatch.setattr(Jail, "find_folder", find_folder)
    async with a_client(api) as client, trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(ask, client)
        with trio.fail_after(20):
            while len(statuses) < 13:
                await trio.sleep(0.01)
        gate.set()
    assert sorted(statuses) == [200] * 7 + [429] * 13


async def test_tenant_who_takes_all_he_can_leaves_another_his_listing_and_the_master_the_same_volume(
    api, volume, monkeypatch
):
    """Listings without an end under a tenant's token: those of the folder ``endless``, whoever asks."""
    other, token = await api.volume(), await minted(api)
    on_disk(volume, "endless").mkdir()
    begun = []

    def endless(folder, after, pace):
        if Path(f"/proc/self/fd/{folder}").readlink().name == "endless":
            begun.append(folder)
            while True:
                pace(0)
                time.sleep(0.001)
        return iter(())

    monkeypatch.setattr(listing, "_places", endless)

    async def list_endless(client):
        await client.get(f"{route(volume)}/files", params={"path": "endless"}, headers=token)

    async with a_client(api) as client, trio.open_nursery() as nursery:
        for _ in range(60):
            nursery.start_soon(list_endless, client)
        with trio.fail_after(30):
            while len(begun) < 10:  # more than may be at once, as each goes on as long work
                await trio.sleep(0.01)
            for headers in ({}, token):
                answer = await client.get(f"/volumes/{other}/files", headers=headers)
                assert answer.json() == {"files": [], "next": None}
            assert (await client.get(f"{route(volume)}/files")).status_code == 200
            await client.request("DELETE", f"/volumes/{other}/files", json={"paths": ["none"]})
        assert api.system.folders.shares.long.held <= volumes.LONG_IN_ONE
        nursery.cancel_scope.cancel()
    with trio.fail_after(20):
        while api.system.folders.shares.long.held or api.system.folders.shares.quick.held:
            await trio.sleep(0.01)


async def test_transfers_of_one_volume_are_bounded(api, volume, monkeypatch):
    shares = api.system.folders.shares
    on_disk(volume, "f").write_bytes(b"content")
    for share in (shares.uploads, shares.downloads):
        monkeypatch.setattr(share, "each", 1)
        monkeypatch.setattr(share, "waiting", 0)
    where = f"{route(volume)}/files/content?path=f"
    for share, ask in ((shares.uploads, ("PUT", b"new")), (shares.downloads, ("GET", None))):
        method, content = ask
        turn = share.join(volume["id"], privileged=True)
        answer = await api.ask(method, where, content=content)
        assert (answer.status_code, answer.json()["code"]) == (429, "volume_busy")
        turn.leave()
        for _ in range(2):  # a turn ends with its transfer
            assert (await api.ask(method, where, content=content)).status_code == 200
            with trio.fail_after(20):
                while share.held:  # until a moment after the answer
                    await trio.sleep(0.01)


ODD = [b"caf\xe9", b"caf\xe8", b"\xff", b"\\x", b"d:x", b"..\\x", "\uf0e9".encode(), b"a\\b", b"line\nbreak"]
"""Names that a path cannot contain as they are, and some that it can."""


def names_below(volume, folder):
    return [os.fsencode(path.name) for path in on_disk(volume, folder).iterdir()]


async def test_every_listed_entry_can_be_downloaded_renamed_changed_copied_and_deleted(api, volume):
    for raw in ODD:
        on_disk(volume, os.fsdecode(raw)).write_bytes(raw)
    listed = (await api.get(f"{route(volume)}/files"))["files"]
    assert len(listed) == len({entry["name"] for entry in listed}) == len(ODD)
    for number, name in enumerate(entry["name"] for entry in listed):
        answer = await api.ask("GET", f"{route(volume)}/files/content", params={"path": name})
        assert answer.status_code == 200
        assert answer.content in ODD
        moved = f"moved {number}/{name}"
        done = await api.post(f"{route(volume)}/rename", {"source": name, "destination": moved})
        assert (done["source"], done["destination"]) == (name, moved)
        body = {"path": moved, "mode": "600"}
        assert (await api.post(f"{route(volume)}/chmod", body))["path"] == moved
        (again,) = (await api.get(f"{route(volume)}/files", path=f"moved {number}"))["files"]
        assert (again["name"], again["mode"]) == (name, "0600")
        assert names_below(volume, f"moved {number}") == [answer.content]
        await api.post(f"{route(volume)}/copy", {"source": moved, "destination": f"copy {number}"})
        assert (await api.call("DELETE", f"{route(volume)}/files", {"paths": [moved]}))["paths"] == [moved]
        assert names_below(volume, f"moved {number}") == []


async def test_uploads_of_two_names_that_look_alike_are_two(api, volume):
    for name, content in (("caf\uf0e9", b"1"), ("caf\uf0e8", b"2")):
        params = {"path": name, "upload": "u", "length": 2}
        await api.ask("PUT", f"{route(volume)}/files/content", params=params, content=content)
    shown = await api.get(f"{route(volume)}/files/upload", path="caf\uf0e9", upload="u")
    assert (shown["path"], shown["offset"]) == ("caf\uf0e9", 1)
    assert len(held_in(volume)) == 2
