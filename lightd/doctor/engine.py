"""The engine: whether it answers, is new enough, and can do what containers are asked to be held to."""

import os
import stat
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import httpx
import trio

from lightd.config import Configuration
from lightd.doctor.finding import Area, Finding, Tell
from lightd.doctor.subject import Subject

OLDEST: Final = (1, 41)
SLOW: Final = "systemctl restart docker"
WITHOUT: Final = 'without Docker: docker.engine: "process"'
NO_IMAGE: Final = "lightd-doctor.invalid/none:none"
IMAGES: Final = 20
SKEW: Final = 5.0
_DRIVERS: Final = frozenset({"overlay2", "overlayfs", "overlay", "btrfs", "zfs", "fuse-overlayfs"})
_AREA = Area("engine")


async def look(subject: Subject, tell: Tell) -> None:
    """Look at the engine that the configuration names."""
    configuration = _known(subject)
    if getattr(configuration.docker, "engine", "docker") == "process":
        text = "the process engine isolates nothing: each server can do what its user can"
        tell(_AREA.doubtful("kind", text, 'docker.engine: "docker", where there is one'))
        return
    path = configuration.docker.socket_path
    unreachable = await _knock(path)
    if unreachable is not None:
        tell(unreachable)
        return
    transport = httpx.AsyncHTTPTransport(uds=str(path))
    async with httpx.AsyncClient(transport=transport, base_url="http://engine", timeout=None) as http:  # noqa: S113 - each check has a deadline
        version, info = await _get(http, "/version"), await _get(http, "/info")
        if version is None or info is None:
            tell(_AREA.bad("socket", f"what answers at {path} is no engine", "docker.socket_path"))
            return
        for finding in to_findings(version, info, subject.now):
            tell(finding)
        await _look_at_paths(http, configuration, tell)
        await _look_at_images(http, configuration, str(version.get("Arch", "")), tell)


def _known(subject: Subject) -> Configuration:
    assert subject.configuration is not None  # noqa: S101 - a check that needs it is not asked without
    return subject.configuration


async def _knock(path: Path) -> Finding | None:
    """Return why nobody answers at the socket, None where somebody takes a connection."""
    try:
        stream = await trio.open_unix_socket(path)
    except FileNotFoundError:
        return _AREA.bad(
            "socket",
            f"there is no socket {path}",
            f"systemctl start docker, or docker.socket_path; {WITHOUT}",
        )
    except PermissionError:
        group = await trio.to_thread.run_sync(_group_of, path)
        mend = "run lightd as root" + (f", or: usermod -aG {group} <its user>" if group != "root" else "")
        return _AREA.bad("socket", f"{path} is not open to this user", f"{mend}; {WITHOUT}")
    except OSError as error:
        return _AREA.bad(
            "socket", f"nobody answers at {path}: {error.strerror or error}", "systemctl restart docker"
        )
    await stream.aclose()
    return None


def _group_of(path: Path) -> str:
    import grp  # noqa: PLC0415 - a refusal is rare

    try:
        found = path.stat()
        return grp.getgrgid(found.st_gid).gr_name if stat.S_ISSOCK(found.st_mode) else "docker"
    except (OSError, KeyError):
        return "docker"


async def _get(http: httpx.AsyncClient, path: str) -> dict[str, Any] | None:
    try:
        said = (await http.get(path)).json()
    except (httpx.HTTPError, ValueError):
        return None
    return said if isinstance(said, dict) else None


def to_findings(version: Mapping[str, Any], info: Mapping[str, Any], now: float) -> Iterator[Finding]:
    """What ``GET /version`` and ``GET /info`` tell. Pure."""
    api, name = str(version.get("ApiVersion", "")), str(version.get("Version", "?"))
    numbers = tuple(int(part) if part.isdigit() else 0 for part in api.split("."))
    if numbers < OLDEST:
        yield _AREA.bad(
            "version", f"Docker {name} has API {api or '?'}, older than 1.41", "Docker Engine 20.10 or newer"
        )
    else:
        yield _AREA.good("version", f"Docker {name} answers (API {api})")
    yield _to_cgroup(info)
    plugins = info.get("Plugins") or {}
    if "local" in (plugins.get("Log") or ("local",)):
        yield _AREA.good("log-driver", "the log driver `local` is there")
    else:
        yield _AREA.bad(
            "log-driver", "it has no log driver `local`", "Docker Engine with its built-in log drivers"
        )
    yield _to_users(info)
    yield _to_driver(str(info.get("Driver", "?")))
    if not info.get("InitBinary") or (info.get("InitCommit") or {}).get("ID") == "N/A":
        mend = "install Docker's docker-init (Debian: apt install tini), or default-init in its daemon.json"
        yield _AREA.bad("init", "it has no init binary, which containers are started with", mend)
    else:
        yield _AREA.good("init", f"containers get {info['InitBinary']} as their init")
    yield from _to_clock(str(info.get("SystemTime", "")), now)


def _to_cgroup(info: Mapping[str, Any]) -> Finding:
    number, driver = str(info.get("CgroupVersion") or "1"), info.get("CgroupDriver")
    lacking = [
        limit
        for limit, key in (("memory", "MemoryLimit"), ("cpu", "CpuCfsQuota"), ("pids", "PidsLimit"))
        if info.get(key) is False
    ]
    if driver == "none":
        lacking = ["memory", "cpu", "pids"]
    if lacking:
        text = f"cgroup v{number}: containers can't be held to their limits of {', '.join(lacking)}"
        mend = "kernel parameters cgroup_enable=memory; rootless: delegate cgroups to the engine's user"
        return _AREA.bad("cgroup", text, mend)
    return _AREA.good("cgroup", f"cgroup v{number} ({driver}): memory, cpu and pids are limited")


def _to_users(info: Mapping[str, Any]) -> Finding:
    options = " ".join(str(option) for option in info.get("SecurityOptions") or ())
    if "name=rootless" in options:
        text = "the engine is rootless: users in containers are others on the host, the owners of volumes too"
        return _AREA.doubtful("users", text, "an engine that runs as root; lightd was not tried on others")
    if "name=userns" in options:
        text = "the engine remaps users: a server is not the user on the host whom its volume belongs to"
        return _AREA.bad("users", text, "remove userns-remap from /etc/docker/daemon.json")
    return _AREA.good("users", "users in containers are those of the host")


def _to_driver(driver: str) -> Finding:
    if driver in _DRIVERS:
        return _AREA.good("storage-driver", f"images are kept by {driver}")
    text = f"images are kept by {driver}: slow, and large where it copies each image whole"
    return _AREA.doubtful("storage-driver", text, '"storage-driver": "overlay2" in /etc/docker/daemon.json')


def _to_clock(told: str, now: float) -> Iterator[Finding]:
    try:
        skew = datetime.fromisoformat(told).timestamp() - now
    except ValueError:
        return
    if abs(skew) > SKEW:
        text = f"its clock is {abs(skew):.0f} seconds {'ahead of' if skew > 0 else 'behind'} this one"
        yield _AREA.bad("clock", text, "timedatectl set-ntp true, on both")


async def _look_at_paths(http: httpx.AsyncClient, configuration: Configuration, tell: Tell) -> None:
    """Whether the engine sees the folders that it is to mount: it is asked to, for an image that nobody has.

    It looks at the mounts first, or refuses for the image, so that nothing is made in either case.
    """
    storage = configuration.storage
    hidden = []
    wanted = [path for path in (storage.containers_path, storage.volumes_path) if os.access(path, os.F_OK)]
    for path in wanted:
        source = str(await trio.Path(path).resolve())
        mounts = [{"Type": "bind", "Source": source, "Target": "/doctor"}]
        body = {"Image": NO_IMAGE, "HostConfig": {"Mounts": mounts}}
        answer = await http.post("/containers/create", json=body)
        if "does not exist" in answer.text and "bind source" in answer.text:
            hidden.append(str(path))
    if hidden:
        text = f"it does not see {', '.join(hidden)}: it is elsewhere, or in another mount namespace"
        tell(_AREA.bad("mounts", text, "storage.base_path: a folder that the engine has under the same path"))
    elif wanted:
        tell(_AREA.good("mounts", "it sees the folders of containers and volumes"))


async def _look_at_images(
    http: httpx.AsyncClient, configuration: Configuration, ours: str, tell: Tell
) -> None:
    filters = f'{{"label": ["lightd.node={configuration.node}"]}}'
    rows = (await http.get("/containers/json", params={"all": "1", "filters": filters})).json()
    names = {str(row["ImageID"]): str(row["Image"]) for row in rows}
    strange = []
    for image_id, name in list(names.items())[:IMAGES]:
        image = await _get(http, f"/images/{image_id}/json") or {}
        if ours and image.get("Architecture") not in (ours, None, ""):
            strange.append(f"{name} ({image['Architecture']})")
    if strange:
        text = f"it runs {ours}, and these images are for another machine: {', '.join(strange)}"
        tell(
            _AREA.doubtful(
                "images", text, "an image for this architecture, then POST /containers/:id/reinstall"
            )
        )
    elif ours:
        tell(_AREA.good("images", f"images are wanted for {ours}"))
