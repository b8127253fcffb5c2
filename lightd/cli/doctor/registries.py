"""The credentials of registries: whether their file can be used."""

from pathlib import Path

from lightd.cli.doctor.finding import Area, Finding
from lightd.engines.docker import registries

_AREA = Area("engine")


def check(path: Path) -> Finding:
    """Read the file that ``docker.registries`` names. Blocks."""
    try:
        found = registries.read(path)
    except registries.BadRegistries as bad:
        mend = f"chmod 600 {path}" if "chmod" in str(bad) else f"docker --config {path.parent} login REGISTRY"
        return _AREA.bad("registries", f"docker.registries cannot be used: {bad}", mend)
    hosts = ", ".join(sorted(found)) or "no registry"
    return _AREA.good("registries", f"docker.registries has credentials for {hosts}")
