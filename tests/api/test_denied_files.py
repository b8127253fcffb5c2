"""The deny list: each route of files refuses what it names, however it is named, and changes nothing."""

import io
import tarfile
import zipfile

import pytest

from lightd.access import scopes
from lightd.http.routes.table import ROUTES
from tests.api.front import held_in, on_disk, route
from tests.support.scoped import bearing, mint

pytestmark = pytest.mark.one_python

PATTERNS = ("secret.txt", "/private/", "*.key", "/late/server.jar", "!open.key")

NO_FILES = {
    *("show_volume", "delete_volume", "show_quota", "resize_volume"),
    *("list_file_operations", "show_file_operation", "end_file_operation"),
}
"""The routes of a volume that name no file."""

ATTEMPTS = {
    "write_file": [("/files", {"path": "PATH", "content": "x"})],
    "make_folder": [("/folders", {"path": "PATH/below"})],
    "list_files": [("/files?path=PATH", None)],
    "copy_file": [
        ("/copy", {"source": "PATH", "destination": "new"}),
        ("/copy", {"source": "plain", "destination": "PATH"}),
    ],
    "rename_file": [
        ("/rename", {"source": "PATH", "destination": "new"}),
        ("/rename", {"source": "plain", "destination": "PATH"}),
    ],
    "change_mode": [("/chmod", {"path": "PATH", "mode": "600"})],
    "delete_files": [("/files", {"paths": ["plain", "PATH"]})],
    "upload_file": [
        ("/files/content?path=PATH", b"x"),
        ("/files/content?path=PATH&upload=u&length=1", b"x"),
    ],
    "show_upload": [("/files/upload?path=PATH&upload=u", None)],
    "abandon_upload": [("/files/upload?path=PATH&upload=u", None)],
    "download_file": [("/files/content?path=PATH", None)],
    "compress": [
        ("/compress", {"format": "zip", "output_name": "new", "sources": ["plain", "PATH"]}),
        ("/compress", {"format": "tar.gz", "output_name": "new", "sources": ["PATH"]}),
    ],
    "decompress": [
        ("/decompress", {"archive_path": "PATH", "destination": "new"}),
        ("/decompress", {"archive_path": "archive.tar", "destination": "PATH/below"}),
    ],
}
"""By the name of each other route: requests that touch PATH."""

SLOW = {"compress", "decompress"}
"""Routes that start a process for each request."""

OF_FOLDERS = {"list_files", "make_folder"}
"""Routes that only take folders."""

HOLDS_THROUGH_LINKS = {"list_files", "change_mode", "download_file", "decompress"}
"""Routes that follow a link at the path itself."""

FILES = ("conf/secret.txt", "private/a", "deep/er/b.key")
SPELLINGS = ("{}", "./{}", ".//{}", "{}/.")


def test_every_route_of_files_is_attacked():
    named = {each.name for each in ROUTES if each.subject is scopes.Volume}
    assert named - NO_FILES == set(ATTEMPTS)
    assert named >= NO_FILES


METHODS = {each.name: each.method for each in ROUTES}


@pytest.fixture
async def denied(api, volume):
    """The volume with files, some of which are denied to clients."""
    await api.create("s1", volume_id=volume["id"], file_denylist=list(PATTERNS))
    root = on_disk(volume)
    for name in (*FILES, "plain", "open.key", "conf/public.txt", "late2/server.jar"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"content of {name}")
    with tarfile.open(root / "archive.tar", "w") as tar:
        info = tarfile.TarInfo("x")
        info.size = 1
        tar.addfile(info, io.BytesIO(b"x"))
    (root / "to_file").symlink_to("conf/secret.txt")
    (root / "to_folder").symlink_to("conf")
    (root / "to_link").symlink_to("to_folder/../to_file")
    return volume


def tree(volume):
    root = on_disk(volume)
    return {
        str(path.relative_to(root)): (
            path.lstat().st_mode,
            path.read_bytes() if path.is_file() and not path.is_symlink() else b"",
        )
        for path in sorted(root.rglob("*"))
    }


def fill(value, path):
    if isinstance(value, str):
        return value.replace("PATH", path)
    if isinstance(value, list):
        return [fill(each, path) for each in value]
    if isinstance(value, dict):
        return {key: fill(each, path) for key, each in value.items()}
    return value


async def send(api, volume, path, content):
    answer = await api.ask("PUT", route(volume) + f"/files/content?path={path}", content=content)
    assert answer.status_code == 200, answer.text


async def attempt(api, volume, name, request, path):
    url, body = request
    options = {"content": body} if isinstance(body, bytes) else {}
    body = None if isinstance(body, bytes) else fill(body, path)
    answer = await api.ask(METHODS[name], route(volume) + fill(url, path), body, **options)
    return answer.status_code, answer.json().get("code")


@pytest.mark.parametrize("name", ATTEMPTS)
async def test_route_refuses_a_denied_file_and_changes_nothing(api, denied, name):
    before = tree(denied)
    for request in ATTEMPTS[name]:
        below = name in OF_FOLDERS or "PATH/below" in str(request)
        for path in ["private"] if below else [*FILES, "private", "to_folder/secret.txt"]:
            for spelling in SPELLINGS[:1] if name in SLOW else SPELLINGS:
                found = await attempt(api, denied, name, request, spelling.format(path))
                assert found == (403, "file_denied"), (request, path)
                assert tree(denied) == before


@pytest.mark.parametrize("name", sorted(HOLDS_THROUGH_LINKS - {"list_files"}))
@pytest.mark.parametrize("link", ["to_file", "to_link"])
async def test_link_to_a_denied_file_is_refused(api, denied, name, link):
    before = tree(denied)
    assert await attempt(api, denied, name, ATTEMPTS[name][0], link) == (403, "file_denied")
    assert tree(denied) == before


@pytest.mark.parametrize("name", ["copy_file", "rename_file", "delete_files", "compress"])
@pytest.mark.parametrize("folder", ["conf", "deep", "deep/er"])
async def test_folder_that_holds_a_denied_file_is_refused(api, denied, name, folder):
    before = tree(denied)
    assert await attempt(api, denied, name, ATTEMPTS[name][0], folder) == (403, "file_denied")
    assert tree(denied) == before


async def test_archive_of_the_whole_volume_is_refused_if_it_holds_a_denied_file(api, denied):
    body = {"format": "tar", "output_name": "all"}
    refusal = await api.refused("POST", route(denied) + "/compress", body)
    assert refusal == (403, "file_denied", '"conf/secret.txt" is on the deny list of the server')
    assert "all.tar" not in held_in(denied)


@pytest.mark.parametrize("moves", ["copy", "rename"])
async def test_folder_whose_files_would_be_denied_at_the_destination_is_refused(api, denied, moves):
    before = tree(denied)
    body = {"source": "late2", "destination": "late"}
    assert (await api.refused("POST", route(denied) + f"/{moves}", body))[:2] == (403, "file_denied")
    assert tree(denied) == before
    await api.post(route(denied) + f"/{moves}", {**body, "destination": "late3"})


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize(("inside", "destination"), [("conf/secret.txt", ""), ("server.jar", "late")])
async def test_archive_that_holds_a_denied_path_is_not_unpacked(api, denied, kind, inside, destination):
    before = tree(denied)
    data = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(data, "w") as archive:
            archive.writestr("fine", "x")
            archive.writestr(inside, "x")
    else:
        with tarfile.open(fileobj=data, mode="w") as archive:
            for name in ("fine", inside):
                info = tarfile.TarInfo(name)
                info.size = 1
                archive.addfile(info, io.BytesIO(b"x"))
    await send(api, denied, "new", data.getvalue())
    body = {"archive_path": "new", "destination": destination}
    assert (await api.refused("POST", route(denied) + "/decompress", body))[:2] == (403, "file_denied")
    await api.call("DELETE", route(denied) + "/files", {"paths": ["new"]})
    after = tree(denied)
    after.pop("late", None)  # the destination itself
    assert after == before


async def test_file_that_an_archive_would_link_to_a_denied_one_is_refused_when_it_is_read(api, denied):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        info = tarfile.TarInfo("innocent")
        info.type, info.linkname = tarfile.SYMTYPE, "/home/container/conf/secret.txt"
        archive.addfile(info)
        info = tarfile.TarInfo("below/innocent")
        info.type, info.linkname = tarfile.SYMTYPE, "../conf/secret.txt"
        archive.addfile(info)
    await send(api, denied, "new.tar", data.getvalue())
    await api.post(route(denied) + "/decompress", {"archive_path": "new.tar", "destination": ""})
    assert await attempt(api, denied, "download_file", ATTEMPTS["download_file"][0], "below/innocent") == (
        403,
        "file_denied",
    )


async def test_files_that_are_not_denied_are_as_before(api, denied):
    to = route(denied)
    await api.post(to + "/files", {"path": "conf/Secret.txt", "content": "x"})  # case is significant
    await api.post(to + "/files", {"path": "conf/public.txt", "content": "new"})
    await api.post(to + "/copy", {"source": "open.key", "destination": "other/open.key"})
    await api.post(to + "/rename", {"source": "plain", "destination": "plain2"})
    await api.post(to + "/compress", {"format": "zip", "output_name": "some", "sources": ["open.key"]})
    await api.call("DELETE", to + "/files", {"paths": ["plain2", "to_file", "other"]})
    listed = await api.get(to + "/files", path="conf")
    assert [each["name"] for each in listed["files"]] == ["Secret.txt", "public.txt", "secret.txt"]


async def test_denied_names_that_unicode_can_spell_in_two_ways_are_two_names(api, volume):
    composed, decomposed = "caf\u00e9.txt", "cafe\u0301.txt"
    await api.create("s1", volume_id=volume["id"], file_denylist=[composed])
    for name, status in ((composed, 403), (decomposed, 200)):
        answer = await api.ask("POST", route(volume) + "/files", {"path": name, "content": "x"})
        assert answer.status_code == status


async def test_names_with_odd_bytes_are_matched(api, volume):
    await api.create("s1", volume_id=volume["id"], file_denylist=["*.txt"])
    for name in ("caf\uf0e9.txt", "a\nb.txt", "a\nb/c.txt"):
        answer = await api.ask("POST", route(volume) + "/files", {"path": name, "content": "x"})
        assert answer.status_code == 403, name


async def test_folder_that_is_moved_while_a_file_is_written_into_it_does_not_lead_around_the_list(
    api, denied, monkeypatch
):
    """The folder is free when the write begins, and is at the denied place when it ends."""
    from lightd.files import placing  # noqa: PLC0415 - replaced below

    root, real = on_disk(denied), placing.mode_to_keep
    (root / "calm").mkdir()

    def move(jail, folder, path):
        (root / "calm").rename(root / "late")
        return real(jail, folder, path)

    monkeypatch.setattr(placing, "mode_to_keep", move)
    body = {"path": "calm/server.jar", "content": "x"}
    assert (await api.refused("POST", route(denied) + "/files", body))[:2] == (403, "file_denied")
    assert list((root / "late").iterdir()) == []


async def test_lists_of_all_containers_of_a_volume_hold_until_they_are_removed(api, volume):
    async def read(path):
        return (await api.ask("GET", route(volume) + f"/files/content?path={path}")).status_code

    for name in ("a.key", "b.jar"):
        await api.post(route(volume) + "/files", {"path": name, "content": "x"})
    await api.create("s1", volume_id=volume["id"], file_denylist=["*.key"])
    await api.create("s2", volume_id=volume["id"], file_denylist=["*.jar", "!*.key"])
    assert [await read("a.key"), await read("b.jar")] == [403, 403]
    await api.call("PATCH", "/containers/s1", {"file_denylist": []})
    assert [await read("a.key"), await read("b.jar")] == [200, 403]
    await api.call("DELETE", "/containers/s2", wait=20)
    assert [await read("a.key"), await read("b.jar")] == [200, 200]


async def test_tokens_are_held_back_as_the_master_token_is(api, denied):
    token = await mint(api, ["s1"], ["files.read"])
    answer = await api.ask(
        "GET", route(denied) + "/files/content?path=conf/secret.txt", headers=bearing(token)
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "file_denied")


async def test_folder_with_too_many_files_to_compare_is_not_renamed(api, denied, monkeypatch):
    from lightd.files import walking  # noqa: PLC0415 - changed below

    monkeypatch.setattr(walking, "NAMES_CHECKED", 3)
    for name in range(4):
        await api.post(route(denied) + "/files", {"path": f"many/{name}", "content": ""})
    body = {"source": "many", "destination": "more"}
    assert (await api.refused("POST", route(denied) + "/rename", body))[:2] == (409, "file_not_allowed")
    await api.post(route(denied) + "/rename", {"source": "many/0", "destination": "more"})


async def test_path_that_is_too_long_to_be_compared_is_not_deleted(api, denied):
    here = on_disk(denied, "long")
    for _ in range(20):
        here.mkdir()
        (here / ("x" * 250)).mkdir()
        here = here / ("x" * 250) / "y"
        if len(str(here)) > 3500:
            break
    deep = here.parent
    moved = on_disk(denied, "outer")
    moved.mkdir()
    for _ in range(3):
        moved = moved / ("z" * 250)
        moved.mkdir()
    on_disk(denied, "long").rename(moved / "long")
    assert not deep.exists()
    answer = await api.refused("DELETE", route(denied) + "/files", {"paths": ["outer"]})
    assert answer[:2] == (409, "tree_too_deep")
    await api.call("PATCH", "/containers/s1", {"file_denylist": []})
    await api.call("DELETE", route(denied) + "/files", {"paths": ["outer"]})


async def test_copy_whose_destination_is_moved_meanwhile_is_refused(api, denied, monkeypatch):
    from lightd.files import copying  # noqa: PLC0415 - changed below

    root, real = on_disk(denied), copying.give_to
    (root / "calm").mkdir()

    def move(*args):
        if (root / "calm").exists():
            (root / "calm").rename(root / "late")
        real(*args)

    monkeypatch.setattr(copying, "give_to", move)
    body = {"source": "plain", "destination": "calm/server.jar"}
    assert (await api.refused("POST", route(denied) + "/copy", body))[:2] == (409, "file_not_allowed")
    assert list((root / "late").iterdir()) == []


async def test_folder_that_is_deleted_while_it_is_used_is_refused(api, denied, monkeypatch):
    from lightd.files import placing  # noqa: PLC0415 - changed below

    root, real = on_disk(denied), placing.mode_to_keep
    (root / "calm").mkdir()

    def remove(jail, folder, path):
        (root / "calm").rmdir()
        return real(jail, folder, path)

    monkeypatch.setattr(placing, "mode_to_keep", remove)
    body = {"path": "calm/x", "content": "x"}
    status, code, _ = await api.refused("POST", route(denied) + "/files", body)
    assert (status, code) in [(409, "file_not_allowed"), (404, "file_not_found")]
