"""Makes the files of the web console before a wheel or an sdist is packed, if they are not there yet.

Without npm, a wheel is made without them: lightd is complete but for the web console, whose page then says
how to make them. An sdist must have them.
"""

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class WebConsoleHook(BuildHookInterface[Any]):
    """An sdist contains the files: a wheel that is made from it needs no Node.js."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Build ``lightd/ui`` if that is necessary and possible. Raise for an sdist if it is not possible."""
        root = Path(self.root)
        if version == "editable" or (root / "lightd/ui/manifest.json").exists():
            return
        npm = shutil.which("npm")
        if npm is None and self.target_name == "sdist":
            raise RuntimeError("lightd/ui is missing: install npm, or run `bash tests/rig/run ui` first")
        if npm is None:
            self.app.display_warning("npm is not installed: the web console is left out")
            return
        for command in (["ci", "--ignore-scripts"], ["run", "build"]):
            subprocess.run([npm, *command], cwd=root / "ui", check=True)  # noqa: S603 - npm itself
