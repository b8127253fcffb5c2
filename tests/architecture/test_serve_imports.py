"""What ``lightd serve`` loads before it serves: each module takes time and memory."""

import importlib.util
import subprocess
import sys

import pytest

from lightd.cli.unused_modules import UNUSED
from tests.support.fork_server import to_unmeasured

NOT_LOADED = UNUSED | {
    "actors.remotesync.actor",
    "actors.remotesync.checkpoint",
    "actors.remotesync.delivery",
    "aiodocker",
    "aiohttp",
    "argcomplete",
    "hpack",
    "httpx",
    "lightd.cli.commands.run",
    "lightd.cli.demo",
    "lightd.cli.doctor",
    "lightd.engines.process",
    "lightd.files.compression",
    "lightd.files.packing",
    "lightd.files.unpacking",
    "lightd.panel",
    "re2",
    "rich",
    "trio_websocket",
}

LOADED = """
import sys
from lightd.cli import main
main._import_daemon()
print(*(name for name, module in sys.modules.items() if module))
"""


@pytest.fixture(scope="module")
def loaded():
    return set(
        subprocess.check_output([sys.executable, "-c", LOADED], text=True, env=to_unmeasured()).split()
    )


@pytest.mark.parametrize("name", sorted(NOT_LOADED))
def test_module_that_serving_does_not_need_is_not_loaded(name, loaded):
    assert "lightd.daemon" in loaded
    assert not [module for module in loaded if module == name or module.startswith(name + ".")]


def test_module_that_was_left_out_can_be_imported_afterwards():
    program = "from lightd.cli import main; main._import_daemon(); import jinja2"
    rendered = f"{program}; print(jinja2.Template('{{{{ 6 * 7 }}}}').render())"
    assert subprocess.check_output([sys.executable, "-c", rendered], text=True) == "42\n"


def test_module_of_a_package_that_was_left_out_can_be_imported_from_it_afterwards():
    program = "from lightd.cli import main; main._import_daemon(); from logging import config"
    shown = f"{program}; print(config.dictConfig.__module__)"
    assert subprocess.check_output([sys.executable, "-c", shown], text=True) == "logging.config\n"


@pytest.mark.parametrize("name", sorted(UNUSED))
def test_unused_module_is_one_that_the_libraries_have(name):
    """An entry that is no module any more would be left out of nothing."""
    assert importlib.util.find_spec(name) is not None
