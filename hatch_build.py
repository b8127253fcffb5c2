"""Makes the files of the web console before a wheel or an sdist is packed, if they are not there yet."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class WebConsoleHook(BuildHookInterface[Any]):
    """An sdist contains the files: a wheel that is made from it needs no Node.js."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Raise unless ``lightd/ui`` has the files; an editable installation can do without them."""
        root = Path(self.root)
        if version == "editable" or (root / "lightd/ui/manifest.json").exists():
            return
        npm = shutil.which("npm")
        if npm is None:
            raise RuntimeError("lightd/ui is missing: install Node.js, or run `bash tests/rig/run ui` first")
        for command in (["ci", "--ignore-scripts"], ["run", "build"]):
            subprocess.run([npm, *command], cwd=root / "ui", check=True)  # noqa: S603 - npm itself
