"""Lists: labels and display names, filters, and pages that neither repeat nor miss a row."""

import pytest

from lightd.http import listing

MASTER_ONLY = ("/auth/tokens",)


async def rows(api, path, name, **params):
    """All rows of a list, read page by page, and the number of pages."""
    found, pages, after = [], 0, {}
    while True:
        page = await api.get(path, **params, **after)
        found += page[name]
        pages += 1
        if page["next"] is None:
            return found, pages
        after = {"after": page["next"]}


async def test_labels_and_display_name_are_shown_in_lists_and_in_detail(api):
    await api.create(labels={"env": "prod", "customer": "42"}, display_name="  \u00dcberleben ")
    for shown in (await api.show(), (await api.get("/containers"))["containers"][0]):
        assert shown["labels"] == {"customer": "42", "env": "prod"}
        assert shown["display_name"] == "\u00dcberleben"
    created = (await api.get("/containers/s1/events"))["events"][0]["data"]["spec"]
    assert created["labels"] == [["customer", "42"], ["env", "prod"]]


async def test_container_without_labels_has_none(api):
    await api.create()
    shown = await api.show()
    assert (shown["labels"], shown["display_name"]) == ({}, None)


async def test_labels_of_a_running_container_are_changed_at_once_and_it_is_not_created_again(api):
    await api.running(labels={"a": "1"}, display_name="One")
    before = await api.show()
    body = {"labels": {"b": "2"}, "display_name": "Two"}
    answer = await api.call("PATCH", "/containers/s1", body)
    assert (sorted(answer["applied"]), answer["at_next_start"]) == (["display_name", "labels"], [])
    shown = await api.show()
    assert (shown["labels"], shown["display_name"]) == ({"b": "2"}, "Two")
    await api.power("restart")
    after = await api.show()
    assert after["container_id"] == before["container_id"]
    assert after["state"] == "running"
    edited = (await api.get("/containers/s1/events", limit=1000))["events"]
    (data,) = [event["data"] for event in edited if event["type"] == "edited"]
    assert (data["labels"], data["display_name"]) == ([["b", "2"]], "Two")


@pytest.mark.parametrize("removal", [None, ""])
async def test_display_name_and_labels_can_be_removed(api, removal):
    await api.create(labels={"a": "1"}, display_name="One")
    await api.call("PATCH", "/containers/s1", {"display_name": removal})
    assert (await api.show())["labels"] == {"a": "1"}
    await api.call("PATCH", "/containers/s1", {"labels": {}})
    shown = await api.show()
    assert (shown["labels"], shown["display_name"]) == ({}, None)


async def test_edit_to_the_present_labels_records_nothing(api):
    await api.create(labels={"a": "1", "b": "2"}, display_name="One")
    before = await api.types()
    await api.call("PATCH", "/containers/s1", {"labels": {"b": "2", "a": "1"}, "display_name": "One"})
    assert await api.types() == before


REFUSED = [
    ({"labels": {"": "x"}}, "labels: '' is not the name of a label"),
    ({"labels": {"-a": "x"}}, "labels: '-a' is not the name of a label"),
    ({"labels": {"a" * 64: "x"}}, "is not the name of a label"),
    ({"labels": {"a b": "x"}}, "labels: 'a b' is not the name of a label"),
    ({"labels": {"a": 5}}, "labels: the value of a must be a string without control characters"),
    ({"labels": {"a": "x\ny"}}, "labels: the value of a must be a string without control characters"),
    ({"labels": {"a": "x" * 256}}, "labels: the value of a must not be longer than 255 characters (got 256)"),
    ({"labels": {f"a{n}": "" for n in range(33)}}, "labels: must be at most 32 labels (got 33)"),
    ({"labels": ["a"]}, "labels: must be an object"),
    ({"display_name": "a\tb"}, "display_name: must be a string without control characters"),
    ({"display_name": "a\u202eb"}, "display_name: must be a string without control characters"),
    ({"display_name": 5}, "display_name: must be a string without control characters"),
    ({"display_name": "x" * 101}, "display_name: must not be longer than 100 characters (got 101)"),
]


@pytest.mark.parametrize(("fields", "complaint"), REFUSED, ids=range(len(REFUSED)))
async def test_wrong_labels_and_names_are_refused(api, fields, complaint):
    status, code, message = await api.refused("POST", "/containers", await api.a_body(**fields))
    assert (status, code) == (400, "invalid_request")
    assert complaint in message


@pytest.fixture
async def labelled(api):
    """A daemon with four containers, two of them running."""
    volume = await api.volume()
    await api.create("d", volume_id=volume, labels={"env": "prod", "game": "chess"})
    await api.create("b", volume_id=volume, labels={"env": "prod"}, start_pattern="Ready")
    await api.create("c", volume_id=volume, labels={"env": "test", "empty": ""}, start_pattern="Ready")
    await api.create("a", volume_id=volume)
    await api.power("start", "b")
    await api.power("start", "c")
    return api


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "dbca"),
        ("label=env", "dbc"),
        ("label=env=prod", "db"),
        ("label=env=prod&label=game", "d"),
        ("label=game=chess&label=env=test", ""),
        ("label=empty=", "c"),
        ("label=env=", ""),
        ("label=unknown", ""),
        ("state=running", "bc"),
        ("state=offline", "da"),
        ("state=offline&state=running", "dbca"),
        ("state=running&label=env=prod", "b"),
        ("state=stopping", ""),
    ],
)
async def test_containers_are_filtered_by_label_and_state(labelled, query, expected):
    found = (await labelled.get(f"/containers?{query}"))["containers"]
    assert [row["internal_id"] for row in found] == list(expected)
    found = (await labelled.get(f"/stats?{query}"))["containers"]
    assert [row["internal_id"] for row in found] == list(expected)


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("state=up", "state: must be"),
        ("label=%2D", "label: must be the name of a label"),
        ("label=a=x%0Ay", "label: must be the name of a label"),
        ("limit=0", "limit: must be between 1 and 1000"),
        ("limit=1001", "limit: must be between 1 and 1000"),
        ("limit=x", "limit: must be a whole number"),
        ("limit=1&limit=2", "limit: is given twice"),
        (f"after={'x' * 201}", "after: must be the `next` of the page before"),
        ("labels=a", "labels: unknown query parameter"),
    ],
)
async def test_wrong_filter_is_refused(api, query, complaint):
    status, code, message = await api.refused("GET", f"/containers?{query}")
    assert (status, code) == (400, "invalid_request")
    assert message.startswith(complaint)


async def test_list_without_a_limit_is_whole_and_has_no_cursor(labelled):
    assert (await labelled.get("/containers")).keys() == {"containers"}
    assert (await labelled.get("/volumes")).keys() == {"volumes"}
    assert (await labelled.get("/network/ports")).keys() == {"ports"}
    assert (await labelled.get("/auth/tokens")).keys() == {"tokens"}


async def test_pages_of_containers_are_sorted_and_complete(labelled):
    found, pages = await rows(labelled, "/containers", "containers", limit=3)
    assert ([row["internal_id"] for row in found], pages) == (["a", "b", "c", "d"], 2)
    found, pages = await rows(labelled, "/containers", "containers", limit=4)
    assert (len(found), pages) == (4, 1)
    found, _ = await rows(labelled, "/containers", "containers", limit=1, label="env=prod")
    assert [row["internal_id"] for row in found] == ["b", "d"]


async def test_page_continues_behind_a_container_that_was_deleted(labelled):
    page = await labelled.get("/containers", limit=2)
    assert page["next"] == "b"
    await labelled.call("DELETE", "/containers/b")
    page = await labelled.get("/containers", after="b")
    assert ([row["internal_id"] for row in page["containers"]], page["next"]) == (["c", "d"], None)


async def test_pages_of_volumes_ports_and_tokens_have_every_row_once(api, monkeypatch):
    monkeypatch.setattr(listing, "AT_ONCE", 3)  # in a thread too
    for _ in range(5):
        await api.volume()
        await api.post("/auth/tokens", {"ttl": "1h"})
    for port in (80, 8080, 443, 10000, 9):
        await api.port(port)
        await api.port(port, protocol="udp")
    for path, name in (("/volumes", "volumes"), ("/network/ports", "ports"), ("/auth/tokens", "tokens")):
        whole = (await api.get(path))[name]
        found, pages = await rows(api, path, name, limit=2)
        assert pages == (len(whole) + 1) // 2
        assert sorted(map(str, found)) == sorted(map(str, whole))
    found, _ = await rows(api, "/network/ports", "ports", limit=3)
    assert [row["port"] for row in found] == [9, 9, 80, 80, 443, 443, 8080, 8080, 10000, 10000]


async def test_pages_and_filters_show_only_what_a_token_can_see(labelled):
    grant = {"ttl": "1h", "containers": ["b", "d"]}
    minted = await labelled.post("/auth/tokens", grant)
    headers = {"Authorization": f"Bearer {minted['token']}", "Accept": "Application/vnd.pkglatv1+json"}

    async def ids(query):
        answer = await labelled.ask("GET", f"/containers?{query}", headers=headers)
        return [row["internal_id"] for row in answer.json()["containers"]]

    assert await ids("limit=100") == ["b", "d"]
    assert await ids("after=b") == ["d"]
    assert await ids("label=env&state=running") == ["b"]
