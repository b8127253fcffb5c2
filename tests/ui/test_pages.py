"""The other pages of the web console: servers, files, settings and the node."""

import hashlib
import json
import os
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.rig.engine import give_up
from tests.ui.conftest import ROOT, to_address

AXE = ROOT / "ui/node_modules/axe-core/axe.min.js"


def test_list_shows_a_change_of_state_and_is_filtered(served, tab):
    name = f"listed-{tab.viewport_size['width']}"
    served.create(name, start=False, labels={"env": "test"})
    tab.goto(to_address(served.url))
    row = tab.get_by_role("row", name=name)
    expect(row.locator(".badge")).to_have_text("offline")
    served.call("POST", f"/containers/{name}/start")
    expect(row.locator(".badge")).to_have_text("running")
    tab.get_by_label("Find a server").fill(name)
    expect(tab.get_by_role("row")).to_have_count(2)
    tab.get_by_label("Find a server").fill("")
    tab.get_by_label("Label").select_option("customer=42")
    expect(tab.get_by_role("row")).to_have_count(2)
    expect(tab.get_by_role("link", name="Survival")).to_be_visible()
    tab.get_by_label("Label").select_option("")
    served.call("DELETE", f"/containers/{name}", wait=60)
    expect(tab.get_by_role("row", name=name)).to_have_count(0)


def test_selected_servers_are_started_together(served, window):
    for name in ("bulk-1", "bulk-2"):
        served.create(name, start=False)
    window.goto(to_address(served.url))
    window.get_by_label("Find a server").fill("bulk-")
    expect(window.get_by_role("row")).to_have_count(3)
    window.get_by_label("Select all").check()
    bulk = window.get_by_role("group", name="Actions on the selected servers")
    bulk.get_by_role("button", name="Start", exact=True).click()
    for name in ("bulk-1", "bulk-2"):
        expect(window.get_by_role("row", name=name).locator(".badge")).to_have_text("running")


def test_server_is_created_with_its_volume_and_port(served, window):
    served.call("POST", "/network/ports", {"ip": "127.0.0.1", "port": 25_580})
    window.goto(to_address(served.url, "/ui/new"))
    window.get_by_label("Id", exact=False).first.fill("created")
    window.get_by_role("textbox", name="Image").fill("host")
    window.get_by_role("textbox", name="Startup command").fill("echo Ready; exec sleep 1000")
    window.get_by_label("Add a port").select_option("127.0.0.1:25580/tcp")
    window.get_by_role("button", name="Create").click()
    expect(window.get_by_role("heading", name="created")).to_be_visible()
    expect(window.locator(".title .badge")).to_have_text("offline")
    made = served.get("/containers/created")
    assert [port["port"] for port in made["ports"]] == [25_580]
    assert made["limits"] == {"memory": 1 << 30, "cpu": None, "pids": 512}


EGG = {
    "meta": {"version": "PLCN_v3"},
    "name": "Echo",
    "docker_images": {"Host": "host"},
    "startup_commands": {"Default": "echo Ready {{MOTD}}; exec sleep 1000"},
    "config": {"startup": {"done": "Ready"}},
    "variables": [
        {
            "name": "Message",
            "env_variable": "MOTD",
            "default_value": "hello",
            "user_viewable": True,
            "user_editable": True,
            "rules": ["required", "max:20"],
        }
    ],
}


def test_server_is_created_from_an_egg_and_its_variables_are_changed(served, window):
    served.call("POST", "/eggs", {"id": "echo", "egg": EGG})
    window.goto(to_address(served.url, "/ui/new"))
    window.get_by_label("Id", exact=False).first.fill("hatched")
    window.get_by_role("combobox", name="Runs").select_option("echo")
    window.get_by_role("textbox", name="Message").fill("first")
    window.get_by_role("button", name="Create").click()
    expect(window.locator(".title .badge")).to_have_text("offline")
    variables = served.get("/containers/hatched/variables")["variables"]
    assert [(each["env"], each["value"]) for each in variables] == [("MOTD", "first")]
    token = served.mint(["hatched"], ["startup"])
    window.goto(to_address(served.url, "/ui/c/hatched/settings", token))
    window.reload()
    box = window.get_by_role("textbox", name="Message")
    expect(box).to_have_value("first")
    box.fill("x" * 21)
    window.get_by_role("button", name="Save the variables").click()
    expect(window.get_by_role("alert")).to_contain_text("MOTD")
    box.fill("second")
    window.get_by_role("button", name="Save the variables").click()
    expect(window.get_by_text("At the next start: MOTD")).to_be_visible()
    variables = served.get("/containers/hatched/variables")["variables"]
    assert [each["value"] for each in variables] == ["second"]


def test_settings_send_only_what_was_changed(served, window):
    served.create("settings", start=False, environment={"MODE": "easy"})
    window.goto(to_address(served.url, "/ui/c/settings/settings"))
    before = served.get("/containers/settings")
    window.get_by_role("textbox", name="Name", exact=False).first.fill("Renamed")
    window.get_by_role("button", name="Save").click()
    expect(window.get_by_role("heading", name="Renamed")).to_be_visible()
    after = served.get("/containers/settings")
    changed = {name for name, value in after.items() if value != before[name]}
    assert changed == {"display_name", "updated_at", "version"}


def test_conflict_of_the_editor_is_shown_and_resolved(served, window):
    volume = served.create("edited", start=False)
    served.call(
        "POST", f"/volumes/{volume}/files", {"path": "server.properties", "content": "motd=one\npvp=true\n"}
    )
    window.goto(to_address(served.url, "/ui/c/edited/files"))
    window.get_by_role("option", name="server.properties").get_by_text("server.properties").click()
    editor = window.get_by_role("textbox", name="Contents of server.properties")
    expect(editor).to_contain_text("motd=one")
    editor.press("Control+End")
    window.keyboard.type("mine=1")
    expect(window.get_by_text("not saved")).to_be_visible()
    served.call(
        "POST", f"/volumes/{volume}/files", {"path": "server.properties", "content": "motd=two\npvp=true\n"}
    )
    window.keyboard.press("Control+s")
    dialog = window.get_by_role("dialog")
    expect(dialog).to_contain_text("Somebody else has changed this file")
    expect(dialog).to_contain_text("motd=two")
    content = served.call("GET", f"/volumes/{volume}/files/content", path="server.properties").text
    assert content == "motd=two\npvp=true\n"
    dialog.get_by_role("button", name="Save yours").click()
    expect(window.get_by_text("Saved.")).to_be_visible()
    content = served.call("GET", f"/volumes/{volume}/files/content", path="server.properties").text
    assert content == "motd=one\npvp=true\nmine=1"


def test_upload_goes_on_after_an_interruption(served, driver, tmp_path):
    volume = served.create("uploaded", start=False)
    file = tmp_path / "world.bin"
    file.write_bytes(bytes(range(256)) * 4096 * 40)
    with driver.open() as page:
        page.goto(to_address(served.relay.url, "/ui/c/uploaded/files"))
        expect(page.get_by_role("listbox")).to_be_visible()
        before = served.relay.sent
        page.get_by_label("Files to upload").set_input_files(file)
        while served.relay.sent - before < file.stat().st_size // 2:
            page.wait_for_timeout(5)
        served.relay.cut()
        expect(page.locator(".transfer.done")).to_be_visible(timeout=60_000)
        expect(page.get_by_role("option", name="world.bin")).to_be_visible()
        sent = served.relay.sent - before
    found = hashlib.sha256(served.call("GET", f"/volumes/{volume}/files/content", path="world.bin").content)
    assert found.digest() == hashlib.sha256(file.read_bytes()).digest()
    assert sent < 1.6 * file.stat().st_size  # not all of it again


def test_files_are_made_renamed_packed_and_deleted_by_keyboard(served, window):
    volume = served.create("filed", start=False)
    served.call("POST", f"/volumes/{volume}/files", {"path": "a.txt", "content": "a"})
    window.goto(to_address(served.url, "/ui/c/filed/files"))
    listed = window.get_by_role("listbox")
    expect(listed.get_by_role("option", name="a.txt")).to_be_visible()
    window.get_by_role("button", name="New folder").press("Enter")
    window.get_by_role("dialog").get_by_label("Name").fill("maps")
    window.keyboard.press("Enter")
    expect(listed.get_by_role("option", name="maps")).to_be_visible()
    listed.focus()
    window.keyboard.press("End")
    window.keyboard.press("Space")
    window.get_by_role("button", name="Rename").press("Enter")
    window.get_by_role("dialog").get_by_label("New name").fill("b.txt")
    window.keyboard.press("Enter")
    expect(listed.get_by_role("option", name="b.txt")).to_be_visible()
    listed.focus()
    window.keyboard.press("Control+a")
    window.get_by_role("button", name="Pack", exact=True).press("Enter")
    window.get_by_role("dialog").get_by_label("Name").fill("all")
    window.keyboard.press("Enter")
    expect(listed.get_by_role("option", name="all.tar.gz")).to_be_visible()
    listed.focus()
    window.keyboard.press("Control+a")
    window.keyboard.press("Delete")
    window.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(window.get_by_text("Nothing here.")).to_be_visible()
    assert served.get(f"/volumes/{volume}/files", path="")["files"] == []


def test_address_of_sftp_is_shown_with_the_keys_of_the_node(served, tab):
    shown = served.get("/containers/game/sftp")
    tab.goto(to_address(served.url, "/ui/c/game/files"))
    tab.get_by_role("button", name="SFTP").click()
    dialog = tab.get_by_role("dialog")
    expect(dialog.get_by_text(f"sftp://game@127.0.0.1:{shown['port']}/")).to_be_visible()
    for key in shown["host_keys"]:
        expect(dialog.get_by_text(key["fingerprint"])).to_be_visible()
    dialog.get_by_role("button", name="Close").first.click()
    expect(dialog).not_to_be_visible()


def test_folder_of_many_entries_is_shown_to_its_end(served, window):
    volume = served.create("crowded", start=False)
    folder = Path(served.get(f"/volumes/{volume}")["path"]) / "many"
    folder.mkdir()
    for number in range(20_000):
        (folder / f"{number:05}").touch()
    window.goto(to_address(served.url, "/ui/c/crowded/files?path=many"))
    listed = window.get_by_role("listbox")
    expect(window.get_by_text("20,000 entries")).to_be_visible()
    listed.focus()
    window.keyboard.press("End")
    expect(listed.get_by_role("option", name="19999")).to_be_visible()
    assert listed.get_by_role("option").count() < 100


def test_token_for_one_console_is_made_with_its_link(served, window):
    window.goto(to_address(served.url, "/ui/node/tokens"))
    window.get_by_role("button", name="New token").click()
    dialog = window.get_by_role("dialog")
    dialog.get_by_role("combobox").first.select_option("game")
    dialog.get_by_role("button", name="Create").click()
    expect(dialog.get_by_role("img", name="QR code")).to_be_visible()
    link = dialog.get_by_role("textbox", name="Link").input_value()
    window.goto(link)
    window.reload()  # an address that differs in its fragment alone loads nothing
    expect(window.get_by_role("heading", name="Survival")).to_be_visible()
    expect(window.get_by_role("link", name="Node", exact=True)).to_have_count(0)


def test_checks_of_the_node_name_a_mistake_and_its_fix(served, window):
    path = served.folder / "config.json"
    right = path.read_text()
    wrong = json.loads(right)
    wrong["server"]["port"] = "x"
    path.write_text(json.dumps(wrong))
    try:
        window.goto(to_address(served.url, "/ui/node/checks"))
        row = window.get_by_role("row", name="server.port")
        expect(row.locator(".badge")).to_have_text("failed")
        expect(row).to_contain_text(f"To fix: server.port in {path}")
    finally:
        path.write_text(right)
    window.get_by_role("button", name="Check again").click()
    expect(row).to_have_count(0, timeout=60_000)
    window.get_by_role("checkbox", name="Also what is fine").check()
    expect(window.get_by_role("row", name=f"{path} is valid")).to_be_visible()


PAGES = {
    "servers": "/ui/",
    "console": "/ui/c/game",
    "files": "/ui/c/game/files",
    "editor": "/ui/c/game/files?file=server.properties",
    "graphs": "/ui/c/game/graphs",
    "history": "/ui/c/game/history",
    "ports": "/ui/c/game/network",
    "settings": "/ui/c/game/settings",
    "new-server": "/ui/new",
    "node": "/ui/node",
    "checks": "/ui/node/checks",
    "pool": "/ui/node/ports",
    "tokens": "/ui/node/tokens",
    "audit": "/ui/node/audit",
    "configuration": "/ui/node/panel",
}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@pytest.fixture(scope="module")
def furnished(served):
    """The daemon, with a console and files to look at."""
    volume = served.get("/containers/game")["volume_id"]
    text = "# Minecraft server properties\nmotd=A quiet valley\nmax-players=20\nonline-mode=true\npvp=false\n"
    for path in ("server.properties", "config/paper.yml", "logs/latest.log", "world/level.dat", "eula.txt"):
        served.call("POST", f"/volumes/{volume}/files", {"path": path, "content": text})
    served.call("POST", f"/volumes/{volume}/resize", {"size": 1024})
    served.say("game", "game")
    served.wait_line("game", "Stone Age")
    return served


@pytest.mark.parametrize(("size", "theme"), [("desktop", "dark"), ("phone", "light")])
@pytest.mark.parametrize("name", list(PAGES))
def test_page_can_be_used_by_everybody(furnished, driver, name, theme, size):
    if not AXE.exists():
        give_up("axe-core: not here; `nox -s ui` installs it")
    with driver.open(size, color_scheme=theme) as page:
        page.goto(furnished.url + "/")
        page.goto(to_address(furnished.url, PAGES[name]))
        expect(page.get_by_role("main")).to_be_visible()
        expect(page.locator(".loading")).to_have_count(0)
        page.evaluate(AXE.read_text())
        found = page.evaluate("(tags) => axe.run(document, { runOnly: tags })", RULES)
        faults = {each["id"]: [node["html"] for node in each["nodes"]] for each in found["violations"]}
        assert faults == {}
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


PICTURES = {"console": "/ui/c/game", "servers": "/ui/", "files": "/ui/c/game/files", "node": "/ui/node"}


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("name", list(PICTURES))
def test_pictures_of_the_pages_are_taken(furnished, driver, tmp_path, name, theme):
    """Into ``docs/images`` with ``LIGHTD_PICTURES=yes``; otherwise only that they can be."""
    folder = ROOT / "docs/images" if os.environ.get("LIGHTD_PICTURES") == "yes" else tmp_path
    sizes = ("desktop", "phone") if name == "console" else ("desktop",)
    for size in sizes:
        with driver.open(size, color_scheme=theme, reduced_motion="reduce") as page:
            if size == "desktop":
                page.set_viewport_size({"width": 1200, "height": 700})
            page.goto(to_address(furnished.url, PICTURES[name]))
            expect(page.locator(".loading")).to_have_count(0)
            if name == "console":
                expect(page.get_by_role("log")).to_contain_text("Stone Age")
                expect(page.get_by_role("definition").first).not_to_have_text("\N{EN DASH}")
            page.wait_for_timeout(300)
            file = folder / f"ui-{name}{'-phone' if size == 'phone' else ''}-{theme}.png"
            page.screenshot(path=file, animations="disabled")
            assert file.stat().st_size > 10_000
