"""A file's bytes, up and down: as they are, in parts, under conditions, and when a client goes away."""

import os
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import trio

from lightd.files import uploads as files_uploads
from lightd.http.routes.uploads import LARGEST
from tests.api.front import HEADERS, on_disk
from tests.rig import engine
from tests.support.daemon import NO_AUTHORITIES

LARGE = 3_000_000
NAMES = ["plain.txt", 'a "quoted" \\ name%.txt', "line\r\nbreak: x", "weiß 雪.txt", ";=,", " "]


def names(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def held_in(volume):
    return names(volume["path"])


def content(volume):
    return f"/volumes/{volume['id']}/files/content"


async def get(api, volume, path="f", **headers):
    return await api.ask("GET", content(volume), params={"path": path}, headers={**HEADERS, **headers})


async def put(api, volume, body=b"", path="f", /, *, headers=None, **params):
    headers = {**HEADERS, **(headers or {})}
    return await api.ask(
        "PUT", content(volume), params={"path": path, **params}, headers=headers, content=body
    )


def said(answer):
    assert answer.json().keys() == {"error", "code"}
    return answer.status_code, answer.json()["code"]


# ---------------------------------------------------------------- down


async def test_file_is_sent_as_it_is(api, volume):
    for size in (0, 1, LARGE):
        data = os.urandom(size)
        on_disk(volume, "f").write_bytes(data)
        answer = await get(api, volume)
        assert (answer.status_code, answer.content) == (200, data)
        assert answer.headers["Content-Length"] == str(size)
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert answer.headers["Content-Disposition"] == "attachment; filename=\"f\"; filename*=UTF-8''f"
        assert answer.headers["X-Request-Id"]


async def test_many_files_come_over_one_connection(api, volume):
    on_disk(volume, "f").write_bytes(os.urandom(LARGE))
    for _ in range(5):
        assert len((await get(api, volume)).content) == LARGE
        await api.get(f"/volumes/{volume['id']}")
    assert len(api.client._transport._pool.connections) == 1


@pytest.mark.parametrize("name", NAMES)
async def test_file_of_any_name_is_sent_under_it(api, volume, name):
    on_disk(volume, name).write_text("here")
    answer = await get(api, volume, name)
    assert answer.text == "here"
    said = answer.headers["Content-Disposition"]
    assert said.isascii()
    assert said.isprintable()
    plain, _, exact = said.removeprefix("attachment; filename=").partition("; filename*=UTF-8''")
    assert httpx.URL(f"http://x/?n={exact}").params["n"] == name
    assert '"' not in plain[1:-1]
    assert "\\" not in plain


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=90-", 90, 100),
        ("bytes=90-1000", 90, 100),
        ("bytes=-1", 99, 100),
        ("bytes=-100", 0, 100),
        ("bytes=-1000", 0, 100),
        ("BYTES = 5 - 6", 5, 7),
    ],
)
async def test_part_of_a_file_is_sent(api, volume, asked, start, stop):
    data = os.urandom(100)
    on_disk(volume, "f").write_bytes(data)
    answer = await get(api, volume, Range=asked)
    assert (answer.status_code, answer.content) == (206, data[start:stop])
    assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/100"
    assert answer.headers["Content-Length"] == str(stop - start)


async def test_range_that_is_none_is_answered_with_the_whole_file(api, volume):
    on_disk(volume, "f").write_bytes(bytes(100))
    for asked in (
        "bytes=",
        "bytes=-",
        "bytes=5-4",
        "bytes=a-b",
        "lines=0-1",
        "bytes=0-1,5-6",
        "bytes=+1-2",
        "x",
    ):
        answer = await get(api, volume, Range=asked)
        assert (answer.status_code, len(answer.content)) == (200, 100), asked


async def test_part_that_is_not_there_is_a_416(api, volume):
    for size, asked in [
        (100, "bytes=100-"),
        (100, "bytes=100-200"),
        (100, "bytes=-0"),
        (0, "bytes=0-"),
        (0, "bytes=-5"),
    ]:
        on_disk(volume, "f").write_bytes(bytes(size))
        answer = await get(api, volume, Range=asked)
        assert said(answer) == (416, "range_not_satisfiable")
        assert answer.headers["Content-Range"] == f"bytes */{size}"


async def test_large_part_of_a_large_file_is_sent(api, volume):
    data = os.urandom(LARGE)
    on_disk(volume, "f").write_bytes(data)
    answer = await get(api, volume, Range=f"bytes=1000-{LARGE - 1000}")
    assert answer.content == data[1000 : LARGE - 999]


async def test_client_that_has_the_file_is_told_so(api, volume):
    on_disk(volume, "f").write_text("content")
    first = await get(api, volume)
    etag, date = first.headers["ETag"], first.headers["Last-Modified"]
    for headers in (
        {"If-None-Match": etag},
        {"If-None-Match": f'"x", W/{etag}'},
        {"If-None-Match": "*"},
        {"If-Modified-Since": date},
        {"If-Match": etag, "If-None-Match": etag},
    ):
        answer = await get(api, volume, **headers)
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["ETag"] == etag
    for headers in (
        {"If-None-Match": '"x"'},
        {"If-None-Match": '"x"', "If-Modified-Since": date},  # the first is the finer
        {"If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"},
        {"If-Modified-Since": "yesterday"},
        {"If-Match": f'"x", {etag}'},
        {"If-Match": "*"},
        {"If-Unmodified-Since": date},
    ):
        assert (await get(api, volume, **headers)).status_code == 200
    for headers in (
        {"If-Match": '"x"'},
        {"If-Match": f"W/{etag}"},
        {"If-Unmodified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"},
    ):
        assert said(await get(api, volume, **headers)) == (412, "precondition_failed")


async def test_part_is_sent_only_of_the_file_that_the_client_has(api, volume):
    on_disk(volume, "f").write_bytes(bytes(100))
    first = await get(api, volume)
    etag, date = first.headers["ETag"], first.headers["Last-Modified"]
    for condition, status in [(etag, 206), (date, 206), (f"W/{etag}", 200), ('"x"', 200), ("yesterday", 200)]:
        headers = {"Range": "bytes=0-9", "If-Range": condition}
        assert (await get(api, volume, **headers)).status_code == status


async def test_head_tells_all_and_sends_nothing(api, volume):
    on_disk(volume, "f").write_bytes(bytes(LARGE))
    answer = await api.ask("HEAD", content(volume), params={"path": "f"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Length"] == str(LARGE)
    assert answer.headers["ETag"]


async def test_time_that_no_date_can_have_is_no_hindrance(api, volume):
    on_disk(volume, "f").write_text("x")
    for time in (-(2**31), 2**33):
        os.utime(on_disk(volume, "f"), (time, time))
        assert (await get(api, volume)).status_code == 200


async def test_download_of_what_is_no_regular_file_is_refused(api, volume):
    on_disk(volume, "d").mkdir()
    os.mkfifo(on_disk(volume, "fifo"))
    on_disk(volume, "circle").symlink_to("circle")
    on_disk(volume, "out").symlink_to("/etc/passwd")
    os.link(__file__, on_disk(volume, "hard"))
    for path, status, code in [
        ("none", 404, "file_not_found"),
        ("d", 409, "wrong_kind"),
        ("fifo", 409, "wrong_kind"),
        ("circle", 409, "wrong_kind"),
        ("hard", 409, "file_not_allowed"),
        ("out", 400, "invalid_path"),
        ("", 400, "invalid_path"),
        ("../x", 400, "invalid_path"),
        ("/etc/passwd", 400, "invalid_path"),
        ("c:/x", 400, "invalid_path"),
        ("a\0", 400, "invalid_path"),
    ]:
        assert said(await get(api, volume, path)) == (status, code), path
    assert (await api.refused("GET", content(volume)))[2] == "path: is missing"
    assert (await api.refused("GET", content(volume), path="f", inline=1))[
        2
    ] == "inline: unknown query parameter"


async def test_no_descriptor_is_left_behind(api, volume):
    on_disk(volume, "f").write_bytes(bytes(LARGE))

    async def all_kinds():
        await get(api, volume)
        await get(api, volume, **{"If-None-Match": "*"})
        await get(api, volume, Range="bytes=9999999-")
        await api.ask("HEAD", content(volume), params={"path": "f"})
        await put(api, volume, bytes(LARGE), "g")
        await put(api, volume, b"x", "g", upload="n", offset=5, length=9)

    await all_kinds()
    before = len(names("/proc/self/fd"))
    for _ in range(3):
        await all_kinds()
    assert len(names("/proc/self/fd")) <= before


async def test_client_that_stops_reading_keeps_nobody_waiting_and_leaves_nothing_open(api, volume):
    with on_disk(volume, "f").open("wb") as file:
        file.truncate(1 << 30)
    before = len(names("/proc/self/fd"))
    clients = []
    host, port = api.url.removeprefix("http://").split(":")
    for _ in range(20):
        client = await trio.open_tcp_stream(host, int(port))
        head = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
        await client.send_all(f"GET {content(volume)}?path=f HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode())
        assert b"200" in await client.receive_some(100)
        clients.append(client)
    with trio.fail_after(20):
        assert (await api.get(f"/volumes/{volume['id']}/files"))["files"]
        assert (await get(api, volume, Range="bytes=0-9")).status_code == 206
    for client in clients:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        await client.aclose()
    with trio.fail_after(20):
        while len(names("/proc/self/fd")) > before:
            await trio.sleep(0.01)


async def test_file_that_becomes_shorter_ends_the_connection_instead_of_lying(api, volume):
    with on_disk(volume, "f").open("wb") as file:
        file.truncate(1 << 30)
    asked = api.client.stream("GET", api.url + content(volume), params={"path": "f"}, headers=HEADERS)
    async with asked as answer:
        os.truncate(on_disk(volume, "f"), 10)
        with pytest.raises(httpx.TransportError):
            await answer.aread()


# ---------------------------------------------------------------- up


async def in_chunks(*chunks):
    for chunk in chunks:
        yield chunk


@pytest.mark.parametrize("size", [0, 1, 100_000, LARGE, 30_000_000])
async def test_body_of_any_size_becomes_a_file(api, volume, size):
    data = os.urandom(size)
    answer = await put(api, volume, data, "new/folder/f")
    assert answer.status_code == 200, answer.text
    assert (answer.headers.get("Connection") == "close") is (size >= LARGE)
    etag = answer.headers["ETag"]
    assert answer.json() == {
        "message": "File uploaded successfully",
        "path": "new/folder/f",
        "size": size,
        "etag": etag,
    }
    assert on_disk(volume, "new/folder/f").read_bytes() == data
    assert (await get(api, volume, "new/folder/f", **{"If-None-Match": etag})).status_code == 304
    assert names(on_disk(volume, "new/folder")) == ["f"]


async def test_body_in_chunks_becomes_a_file(api, volume):
    chunks = [os.urandom(size) for size in (1, 700_000, 0, 800_000, 3)]
    assert (await put(api, volume, in_chunks(*chunks))).status_code == 200
    assert on_disk(volume, "f").read_bytes() == b"".join(chunks)


async def test_client_that_asks_first_is_told_to_go_on(api, volume, tmp_path):
    engine.require("curl")
    (tmp_path / "data").write_bytes(os.urandom(LARGE))
    headers = [word for name, value in HEADERS.items() for word in ("-H", f"{name}: {value}")]
    command = ["curl", "-sS", "-v", "-T", tmp_path / "data", "-H", "Expect: 100-continue", *headers]
    done = await trio.run_process(
        [*command, f"{api.url}{content(volume)}?path=f"], capture_stdout=True, capture_stderr=True
    )
    assert b"< HTTP/1.1 100" in done.stderr
    assert b"uploaded" in done.stdout
    assert on_disk(volume, "f").read_bytes() == (tmp_path / "data").read_bytes()
    refused = await trio.run_process(
        [*command, f"{api.url}{content(volume)}?path=../f"], capture_stdout=True, capture_stderr=True
    )
    assert b"< HTTP/1.1 100" not in refused.stderr
    assert b"traversal" in refused.stdout


async def test_upload_replaces_a_file_whole_and_keeps_its_mode(api, volume):
    on_disk(volume, "f").write_text("old")
    on_disk(volume, "f").chmod(0o6750)
    with on_disk(volume, "f").open() as reader:
        assert (await put(api, volume, b"new")).status_code == 200
        assert reader.read() == "old"
    assert on_disk(volume, "f").read_text() == "new"
    assert on_disk(volume, "f").stat().st_mode & 0o7777 == 0o750


@pytest.mark.parametrize("declared", [LARGE, 500_000])
async def test_client_that_goes_away_leaves_the_old_file_and_no_part(api, volume, declared):
    on_disk(volume, "f").write_text("old")
    host, port = api.url.removeprefix("http://").split(":")
    head = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    client = await trio.open_tcp_stream(host, int(port))
    await client.send_all(
        f"PUT {content(volume)}?path=f HTTP/1.1\r\n{head}Content-Length: {declared}\r\n"
        "Host: x\r\n\r\n".encode()
    )
    await client.send_all(b"x" * (declared - 100_000))
    with trio.fail_after(20):
        while len(held_in(volume)) < 2:
            await trio.sleep(0.01)
        await client.aclose()
        while held_in(volume) != ["f"]:
            await trio.sleep(0.01)
    assert on_disk(volume, "f").read_text() == "old"


async def test_upload_that_broke_off_is_taken_up_again(api, volume):
    data = os.urandom(LARGE)
    where = f"/volumes/{volume['id']}/files/upload"
    named = {"path": "d/f", "upload": "u-1"}
    assert await api.get(where, **named) == {"path": "d/f", "upload": "u-1", "offset": 0}
    host, port = api.url.removeprefix("http://").split(":")
    head = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    client = await trio.open_tcp_stream(host, int(port))
    target = f"{content(volume)}?path=d/f&upload=u-1&length={LARGE}"
    await client.send_all(
        f"PUT {target} HTTP/1.1\r\nHost: x\r\n{head}Content-Length: {LARGE}\r\n\r\n".encode()
        + data[: LARGE // 2]
    )
    with trio.fail_after(20):
        while (arrived := (await api.get(where, **named))["offset"]) < LARGE // 2:
            await trio.sleep(0.01)
        await client.aclose()
        assert arrived == LARGE // 2
        while (
            answer := await put(
                api, volume, data[arrived:-5], "d/f", upload="u-1", offset=arrived, length=LARGE
            )
        ).status_code == 409:  # the one before isn't known to be gone yet
            await trio.sleep(0.01)
    assert answer.json() == {"message": "Part received", "path": "d/f", "offset": LARGE - 5, "length": LARGE}
    assert (await api.get(f"/volumes/{volume['id']}/files", path="d"))["files"] == []
    beyond = await put(api, volume, b"x", "d/f", upload="u-1", offset=LARGE - 4, length=LARGE)
    assert said(beyond) == (409, "invalid_offset")
    assert f"{LARGE - 5} bytes" in beyond.json()["error"]
    again = await put(api, volume, data[-50:], "d/f", upload="u-1", offset=LARGE - 50, length=LARGE)
    assert again.json()["size"] == LARGE
    assert on_disk(volume, "d/f").read_bytes() == data
    assert names(on_disk(volume, "d")) == ["f"]


async def test_named_upload_is_abandoned(api, volume):
    where = f"/volumes/{volume['id']}/files/upload"
    await put(api, volume, b"half", upload="n", length=8)
    assert len(held_in(volume)) == 1
    for _ in range(2):
        answer = await api.call("DELETE", where, path="f", upload="n")
        assert answer == {"message": "Upload abandoned", "path": "f", "upload": "n"}
    assert held_in(volume) == []


async def test_wrong_upload_parameters_are_named(api, volume):
    where = f"/volumes/{volume['id']}/files/upload"
    for params, sentence in [
        ({"offset": 0}, "upload: is missing: offset and length belong to an upload that has a name"),
        ({"length": 0}, "upload: is missing: offset and length belong to an upload that has a name"),
        ({"upload": "n"}, "length: is missing: how long the whole file will be"),
        ({"upload": "n", "length": 5, "offset": 6}, "offset: must not be greater than length"),
        ({"upload": "n", "length": -5}, "length: must be a whole number"),
        (
            {"upload": "n", "length": 5, "offset": "x"},
            f'offset: must be a whole number between 0 and {LARGEST} (got "x")',
        ),
        ({"upload": "../n", "length": 5}, "upload: must be 1 to 64 letters, digits, '_' and '-'"),
        ({"upload": "", "length": 5}, "upload: must be 1 to 64 letters, digits, '_' and '-'"),
    ]:
        assert (await put(api, volume, b"", **params)).json()["error"] == sentence
    assert (await api.refused("GET", where, path="f"))[2] == "upload: is missing"
    too_much = await put(api, volume, b"x" * 10, upload="n", length=5)
    assert said(too_much) == (400, "invalid_request")
    assert held_in(volume) == [] or not on_disk(volume, "f").exists()
    on_disk(volume, "file").write_text("")
    assert (await api.refused("GET", where, path="file/x", upload="n"))[1] == "wrong_kind"
    assert (await api.refused("GET", where, path="../x", upload="n"))[1] == "invalid_path"


async def test_write_is_made_only_on_the_file_that_was_meant(api, volume):
    missing = {"If-None-Match": "*"}
    assert said(await put(api, volume, b"x", headers={"If-Match": "*"})) == (412, "precondition_failed")
    etag = (await put(api, volume, b"1", headers=missing)).headers["ETag"]
    assert said(await put(api, volume, b"2", headers=missing)) == (412, "precondition_failed")
    assert said(await put(api, volume, b"2", headers={"If-None-Match": etag}))[0] == 412
    assert said(await put(api, volume, b"2", headers={"If-Match": f"W/{etag}"}))[0] == 412
    newer = (await put(api, volume, b"2", headers={"If-Match": f'"x", {etag}'})).headers["ETag"]
    assert newer != etag
    assert said(await put(api, volume, b"3", headers={"If-Match": etag}))[0] == 412
    assert (
        await put(api, volume, b"3", headers={"If-Match": "*", "If-None-Match": '"x"'})
    ).status_code == 200
    assert on_disk(volume, "f").read_text() == "3"
    assert held_in(volume) == ["f"]


async def test_two_writes_to_one_version_have_one_winner(api, volume):
    etag = (await put(api, volume, b"0")).headers["ETag"]
    statuses = []

    async def write(number):
        async with httpx.AsyncClient(trust_env=False, verify=NO_AUTHORITIES, timeout=60) as client:
            answer = await client.put(
                api.url + content(volume),
                params={"path": "f"},
                headers={**HEADERS, "If-Match": etag},
                content=str(number).encode(),
            )
            statuses.append(answer.status_code)

    async with trio.open_nursery() as nursery:
        for number in range(1, 9):
            nursery.start_soon(write, number)
    assert sorted(statuses) == [200] + 7 * [412]
    assert held_in(volume) == ["f"]


async def test_condition_is_looked_at_again_when_all_has_arrived(api, volume):
    async def body():
        yield b"x" * 2_000_000
        on_disk(volume, "f").write_text("the tenant's")

    assert said(await put(api, volume, body(), headers={"If-None-Match": "*"})) == (
        412,
        "precondition_failed",
    )
    assert on_disk(volume, "f").read_text() == "the tenant's"
    assert held_in(volume) == ["f"]


async def test_part_that_is_taken_away_is_told(api, volume):
    async def body():
        yield b"x" * 2_000_000
        while not held_in(volume):
            await trio.sleep(0.01)
        on_disk(volume, held_in(volume)[0]).unlink()
        yield b"y"

    assert said(await put(api, volume, body())) == (409, "file_not_allowed")
    assert held_in(volume) == []


async def test_upload_goes_nowhere_else(api, volume):
    on_disk(volume, "d").mkdir()
    on_disk(volume, "link").symlink_to("f")
    on_disk(volume, "out").symlink_to("/tmp")
    for path, status, code in [
        ("d", 409, "wrong_kind"),
        ("link", 409, "wrong_kind"),
        ("out", 400, "invalid_path"),
        ("out/x", 400, "invalid_path"),
        ("", 400, "invalid_path"),
        ("..", 400, "invalid_path"),
        ("n" * 256, 400, "invalid_path"),
    ]:
        for size in (10, LARGE):
            assert said(await put(api, volume, bytes(size), path)) == (status, code), path
    assert held_in(volume) == ["d", "link", "out"]


async def test_uploaded_files_belong_to_the_owner_of_the_volume(api, volume):
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    os.chown(volume["path"], 4321, 8765)
    await put(api, volume, b"x", "a/b/f")
    await api.post(f"/volumes/{volume['id']}/files", {"path": "g", "content": ""})
    await api.post(f"/volumes/{volume['id']}/folders", {"path": "h"})
    for name in ("a", "a/b", "a/b/f", "g", "h"):
        state = on_disk(volume, name).stat()
        assert (state.st_uid, state.st_gid) == (4321, 8765)


@contextmanager
def mounted(folder):
    """Two megabytes of disk at ``folder``."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=755", "none", folder]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("no filesystem can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture
async def small(volume):
    with mounted(volume["path"]):
        yield volume


@pytest.mark.parametrize("size", [LARGE, 20_000_000])
async def test_disk_that_is_full_is_a_507_and_leaves_what_there_was(api, small, size):
    on_disk(small, "f").write_text("old")
    path = f"/volumes/{small['id']}"
    assert said(await put(api, small, bytes(size))) == (507, "no_space")
    assert said(await put(api, small, in_chunks(bytes(size)))) == (507, "no_space")
    assert held_in(small) == ["f"]
    assert on_disk(small, "f").read_text() == "old"
    named = await put(api, small, bytes(size), upload="n", length=size)
    assert said(named) == (507, "no_space")
    arrived = (await api.get(f"{path}/files/upload", path="f", upload="n"))["offset"]
    assert arrived > 1_000_000  # kept, to go on when there is room
    await api.call("DELETE", f"{path}/files/upload", path="f", upload="n")
    on_disk(small, "half").write_bytes(os.urandom(1_200_000))
    refused = await api.refused("POST", f"{path}/copy", {"source": "half", "destination": "copy"})
    assert refused[:2] == (507, "no_space")
    body = {"path": "g", "content": "x" * 1_200_000}
    assert (await api.refused("POST", f"{path}/files", body))[:2] == (507, "no_space")
    body = {"format": "tar", "output_name": "a.tar"}
    assert (await api.refused("POST", f"{path}/compress", body))[:2] == (507, "no_space")
    assert held_in(small) == ["f", "half"]


async def test_json_bodies_still_have_their_limit(api, volume):
    body = {"path": "f", "content": "x" * (3 << 19)}
    assert (await api.ask("POST", f"/volumes/{volume['id']}/files", body)).status_code == 200
    assert on_disk(volume, "f").stat().st_size == 3 << 19
    body = {"path": "f", "content": "x" * (2 << 20)}
    assert said(await api.ask("POST", f"/volumes/{volume['id']}/files", body)) == (413, "body_too_large")


async def test_body_of_which_nothing_is_wanted_is_not_read(api, volume):
    for path in ("", "x"):
        answer = await put(api, volume, bytes(LARGE), path, upload="x")
        assert answer.status_code == 400
        assert answer.headers["Connection"] == "close"
    assert files_uploads.UNCONDITIONAL.matches is None
