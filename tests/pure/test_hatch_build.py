"""The hook that adds the web console's files to a wheel or an sdist."""

import importlib.util
import shutil
from pathlib import Path

import pytest
from hatchling.bridge.app import Application

SOURCE = Path(__file__).parents[2] / "hatch_build.py"


@pytest.fixture
def build(tmp_path, monkeypatch):
    """Builds a target of an empty folder, on a machine without npm."""
    spec = importlib.util.spec_from_file_location("hatch_build", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(shutil, "which", lambda name: None)

    def build(target, version="standard"):
        hook = module.WebConsoleHook(str(tmp_path), {}, None, None, str(tmp_path), target, Application())
        hook.initialize(version, {})

    return build


def test_wheel_is_built_without_the_web_console_where_npm_is_missing(build, capsys):
    build("wheel")
    assert "npm is not installed: the web console is left out" in "".join(capsys.readouterr())


def test_sdist_is_not_built_without_the_web_console(build, tmp_path):
    with pytest.raises(RuntimeError, match="install npm"):
        build("sdist")
    (tmp_path / "lightd/ui").mkdir(parents=True)
    (tmp_path / "lightd/ui/manifest.json").write_text("{}")
    build("sdist")


def test_editable_installation_needs_no_web_console(build, capsys):
    build("wheel", "editable")
    assert "".join(capsys.readouterr()) == ""
