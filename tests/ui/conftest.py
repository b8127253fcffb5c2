"""A browser, and a daemon that serves the web console to it."""

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import attrs
import pytest
from playwright import sync_api

from lightd.http.web_console import FOLDER
from tests.rig.engine import give_up
from tests.ui.scene import TOKEN, open_served

ROOT = Path(__file__).parents[2]
PATIENCE = 20_000
"""Milliseconds that a page may take: the machine may be busy."""
SIZES = {"desktop": {"viewport": {"width": 1280, "height": 800}}, "phone": "Pixel 7"}


@pytest.fixture(scope="module")
def driver():
    """Playwright, and Debian's Chromium."""
    if not (FOLDER / "manifest.json").exists():
        give_up("the web console is not built: bash tests/rig/run ui")
    program = shutil.which("chromium")
    if program is None:
        give_up("chromium: not on this machine")
    sync_api.expect.set_options(timeout=PATIENCE)
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield Browser(driver, browser)
        browser.close()


@attrs.define(eq=False)
class Browser:
    """Opens pages, each as a person of its own, and notes what goes wrong in them."""

    _driver: sync_api.Playwright
    _browser: sync_api.Browser

    @contextmanager
    def open(self, size="desktop", **options):
        found = SIZES[size]
        settings = self._driver.devices[found] if isinstance(found, str) else found
        context = self._browser.new_context(**{"color_scheme": "dark", **settings, **options})
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        faults = []
        page.on("pageerror", lambda error: faults.append(f"error: {error}"))
        page.on("console", lambda said: faults.append(said.text) if "Content Security" in said.text else None)
        page.on("dialog", lambda dialog: (faults.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        try:
            yield page
            assert faults == []
        finally:
            context.close()


def _open_served(folder):
    folder.chmod(0o755)
    return open_served(folder)


@pytest.fixture(scope="module")
def served():
    """A daemon with one running server, `game`, and one that is offline, `spare`."""
    # Servers run as another user, who can't enter the folders of ``tmp_path``.
    with tempfile.TemporaryDirectory(prefix="lightd-ui-") as name, _open_served(Path(name)) as served:
        served.create("game", display_name="Survival", labels={"customer": "42"})
        served.create("spare", start=False)
        yield served


@pytest.fixture(params=list(SIZES))
def size(request):
    """A desktop's window, and a phone's."""
    return request.param


@pytest.fixture
def tab(driver, size):
    """A page of a browser, on a desktop and on a phone, in which nothing may go wrong."""
    with driver.open(size) as page:
        yield page


@pytest.fixture
def window(driver):
    """As `tab`, on a desktop only."""
    with driver.open() as page:
        yield page


def to_address(url, path="/ui/", token=TOKEN):
    """The address of a page, with the token."""
    return f"{url}{path}#t={token}"
