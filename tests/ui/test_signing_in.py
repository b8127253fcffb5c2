"""Who gets in: the token that is typed or in the address, and what it shows then."""

import pytest
from playwright.sync_api import expect

from tests.ui.conftest import to_address
from tests.ui.scene import TOKEN, Relay


def test_token_that_is_typed_signs_in_for_this_tab(served, tab):
    tab.goto(served.url + "/")
    tab.get_by_label("Token").fill(TOKEN)
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("link", name="Survival")).to_be_visible()
    tab.reload()
    expect(tab.get_by_role("link", name="Survival")).to_be_visible()
    other = tab.context.new_page()
    other.goto(served.url + "/")
    expect(other.get_by_label("Token")).to_be_visible()


def test_token_in_the_address_is_removed_from_it(served, tab):
    tab.goto(to_address(served.url, "/ui/c/game"))
    expect(tab.get_by_role("heading", name="Survival")).to_be_visible()
    assert tab.url == f"{served.url}/ui/c/game"
    assert TOKEN not in tab.evaluate(
        "JSON.stringify(history.state) + document.cookie + JSON.stringify(localStorage)"
    )


def test_bad_token_is_said_to_be_one(served, window):
    window.goto(to_address(served.url, token="lightd_no"))
    expect(window.get_by_text("The token is not valid, or has expired.")).to_be_visible()
    window.get_by_label("Token").fill(TOKEN)
    window.keyboard.press("Enter")
    expect(window.get_by_role("link", name="Survival")).to_be_visible()


def test_revoked_token_ends_the_session(served, window):
    token = served.mint(["game"], ["console.read"])
    window.goto(to_address(served.url, "/ui/c/game", token))
    expect(window.get_by_role("log")).to_contain_text("Ready for players")
    (made,) = [each for each in served.get("/auth/tokens")["tokens"] if each["containers"] == ["game"]]
    served.call("DELETE", f"/auth/tokens/{made['id']}")
    expect(window.get_by_text("The session has ended")).to_be_visible()


def test_console_works_below_a_path_that_a_proxy_adds(served, window):
    relay = Relay(served.port, "/games/node1")
    relay.open()
    try:
        window.goto(to_address(relay.url, "/ui/c/game"))
        expect(window.get_by_role("log")).to_contain_text("Ready for players")
        expect(window.get_by_role("status").filter(has_text="connection lost")).to_have_count(0)
        window.get_by_role("link", name="History").click()
        expect(window.get_by_text("Created; the installation began")).to_be_visible()
        assert window.url == f"{relay.url}/ui/c/game/history"
        window.get_by_role("link", name="lightd: all servers").click()
        expect(window.get_by_role("link", name="Survival")).to_be_visible()
        assert window.url == f"{relay.url}/ui/"
    finally:
        relay.close()


TABS = ["Console", "Files", "Graphs", "History", "Ports", "Settings"]


@pytest.mark.parametrize(
    ("permissions", "tabs", "power", "command"),
    [
        (["console.read", "power"], ["Console", "History"], True, False),
        (["console.read", "console.write"], ["Console", "History"], False, True),
        (["stats", "files.read"], ["Files", "Graphs", "History"], False, False),
        (["network", "admin"], ["History", "Ports", "Settings"], False, False),
        ([], ["History"], False, False),
    ],
)
def test_token_sees_the_controls_that_it_may_use(served, window, permissions, tabs, power, command):
    window.goto(to_address(served.url, "/ui/c/game", served.mint(["game"], permissions)))
    expect(window.get_by_role("heading", name="Survival")).to_be_visible()
    parts = window.get_by_role("navigation", name="Parts of this server").get_by_role("link")
    expect(parts).to_have_text(tabs)
    expect(window.get_by_role("button", name="Stop", exact=True)).to_have_count(int(power))
    expect(window.get_by_role("textbox", name="Command")).to_have_count(int(command))
    expect(window.get_by_role("link", name="Node", exact=True)).to_have_count(0)
    expect(window.get_by_role("definition")).to_have_count(3 if "stats" in permissions else 0)


def test_token_for_one_server_sees_no_other(served, window):
    window.goto(to_address(served.url, "/ui/", served.mint(["spare"], ["console.read"])))
    expect(window.get_by_role("row")).to_have_count(2)
    expect(window.get_by_role("link", name="spare")).to_be_visible()
    window.goto(served.url + "/ui/c/game")
    expect(window.get_by_text("There is no such server")).to_be_visible()
