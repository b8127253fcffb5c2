"""The engine: whether it answers, is new enough, and can enforce the limits of containers."""

import json
import os
import stat
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import trio

from lightd.cli.commands.orphans import to_orphans
from lightd.cli.doctor import network, registries
from lightd.cli.doctor.finding import Area, Finding, Tell
from lightd.cli.doctor.subject import Subject
from lightd.config.sections import Configuration
from lightd.engines.docker import recipe
from lightd.engines.docker.network import find_mtu
from lightd.journal.inspection import JournalUnreadable, read_known

OLDEST: Final = (1, 41)
SLOW: Final = (
    "if `docker version` does not answer either: journalctl -u docker, then systemctl restart docker "
    "(servers stop, unless live-restore is set)"
)
WITHOUT: Final = 'to run without Docker, set docker.engine to "process"'
NO_IMAGE: Final = "lightd-doctor.invalid/none:none"
IMAGES: Final = 20
SKEW: Final = 5.0
_DRIVERS: Final = frozenset({"overlay2", "overlayfs", "overlay", "btrfs", "zfs", "fuse-overlayfs"})
_AREA = Area("engine")


async def look(subject: Subject, tell: Tell) -> None:
    """Check the engine that the configuration names."""
    configuration = _known(subject)
    name = configuration.docker.engine
    if not configuration.docker.kind.isolated:
        text = f"the {name} engine provides no isolation: a server can do everything that its user can"
        tell(_AREA.doubtful("kind", text, 'if Docker is available, set docker.engine to "docker"'))
    if name in _LOOKS:
        await _LOOKS[name](configuration, tell, partial(_to_time, subject.now, trio.current_time()))


def _to_time(now: float, then: float) -> float:
    """The present time: it was ``now`` at ``then`` of Trio's clock."""
    return now + trio.current_time() - then


async def _look_at_docker(configuration: Configuration, tell: Tell, clock: Callable[[], float]) -> None:
    path = configuration.docker.socket_path
    unreachable = await _knock(path)
    if unreachable is not None:
        tell(unreachable)
        return
    transport = httpx.AsyncHTTPTransport(uds=str(path), verify=False)  # a socket without TLS
    async with httpx.AsyncClient(transport=transport, base_url="http://engine", timeout=None) as http:  # noqa: S113 - each check has a deadline
        version, asked_at = await _get(http, "/version"), clock()
        info = await _get(http, "/info")
        if version is None or info is None:
            tell(
                _AREA.bad(
                    "socket", f"the server at {path} is not a Docker Engine", "correct docker.socket_path"
                )
            )
            return
        for finding in to_findings(version, info, asked_at, clock() - asked_at):
            tell(finding)
        await _look_at_paths(http, configuration, tell)
        if configuration.docker.registries is not None:
            tell(await trio.to_thread.run_sync(registries.check, configuration.docker.registries))
        await _look_at_network(http, configuration, tell)
        await _look_at_ownership(http, configuration, tell)
        await _look_at_images(http, configuration, str(version.get("Arch", "")), tell)


def _known(subject: Subject) -> Configuration:
    assert subject.configuration is not None  # noqa: S101 - this check is skipped without one
    return subject.configuration


async def _knock(path: Path) -> Finding | None:
    """Return why the socket cannot be connected to, or None."""
    try:
        stream = await trio.open_unix_socket(path)
    except FileNotFoundError:
        return _AREA.bad(
            "socket",
            f"the socket {path} does not exist",
            f"systemctl start docker, or correct docker.socket_path; {WITHOUT}",
        )
    except PermissionError:
        group = await trio.to_thread.run_sync(_group_of, path)
        mend = "run lightd as root" + (
            f", or: usermod -aG {group} <lightd's user>" if group != "root" else ""
        )
        return _AREA.bad("socket", f"this user may not connect to {path}", f"{mend}; {WITHOUT}")
    except OSError as error:
        return _AREA.bad(
            "socket", f"cannot connect to {path}: {error.strerror or error}", "systemctl start docker"
        )
    await stream.aclose()
    return None


def _group_of(path: Path) -> str:
    import grp  # noqa: PLC0415 - rarely needed

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


def to_findings(
    version: Mapping[str, Any], info: Mapping[str, Any], now: float, took: float = 0.0
) -> Iterator[Finding]:
    """What ``GET /version`` and ``GET /info`` mean; the second was sent at ``now``. Pure."""
    api, name = str(version.get("ApiVersion", "")), str(version.get("Version", "?"))
    numbers = tuple(int(part) if part.isdigit() else 0 for part in api.split("."))
    if numbers < OLDEST:
        yield _AREA.bad(
            "version",
            f"Docker {name} has API {api or '?'}, which is older than 1.41",
            "install Docker Engine 20.10 or newer",
        )
    else:
        yield _AREA.good("version", f"Docker {name} answers (API {api})")
    yield _to_cgroup(info)
    plugins = info.get("Plugins") or {}
    if "local" in (plugins.get("Log") or ("local",)):
        yield _AREA.good("log-driver", "the log driver `local` is available")
    else:
        yield _AREA.bad(
            "log-driver",
            "the log driver `local` is missing",
            "install a Docker Engine with its built-in log drivers",
        )
    yield _to_users(info)
    yield _to_driver(str(info.get("Driver", "?")))
    if not info.get("InitBinary") or (info.get("InitCommit") or {}).get("ID") == "N/A":
        mend = "install docker-init (Debian: apt install tini), or set default-init in Docker's daemon.json"
        yield _AREA.bad("init", "the init binary that containers are started with is missing", mend)
    else:
        yield _AREA.good("init", f"containers are started with {info['InitBinary']} as their init")
    yield from _to_clock(str(info.get("SystemTime", "")), now, took)


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
        text = f"cgroup v{number}: limits of {', '.join(lacking)} are not enforced"
        mend = "boot with cgroup_enable=memory; rootless Docker: delegate cgroups to the engine's user"
        return _AREA.bad("cgroup", text, mend)
    return _AREA.good("cgroup", f"cgroup v{number} ({driver}): limits of memory, cpu and pids are enforced")


def _to_users(info: Mapping[str, Any]) -> Finding:
    options = " ".join(str(option) for option in info.get("SecurityOptions") or ())
    if "name=rootless" in options:
        text = "Docker is rootless: users in containers, and owners of volumes, have other ids on the host"
        return _AREA.doubtful("users", text, "use a Docker Engine that runs as root; rootless is not tested")
    if "name=userns" in options:
        text = "Docker remaps users: on the host, a server does not run as the owner of its volume"
        return _AREA.bad("users", text, "remove userns-remap from /etc/docker/daemon.json")
    return _AREA.good("users", "users in containers have the same ids on the host")


def _to_driver(driver: str) -> Finding:
    if driver in _DRIVERS:
        return _AREA.good("storage-driver", f"the storage driver is {driver}")
    text = f"the storage driver is {driver}, which is slow and may copy whole images"
    return _AREA.doubtful(
        "storage-driver", text, 'set "storage-driver": "overlay2" in /etc/docker/daemon.json'
    )


def _to_clock(told: str, now: float, took: float) -> Iterator[Finding]:
    try:
        skew = datetime.fromisoformat(told).timestamp() - now
    except ValueError:
        return
    skew = skew if skew < 0 else max(0.0, skew - took)
    if abs(skew) > SKEW:
        text = (
            f"Docker's clock is {abs(skew):.0f} seconds {'ahead of' if skew > 0 else 'behind'} this machine's"
        )
        yield _AREA.bad("clock", text, "timedatectl set-ntp true, on both machines")


async def _look_at_paths(http: httpx.AsyncClient, configuration: Configuration, tell: Tell) -> None:
    """Whether the engine can see the folders that it mounts, tested with an image that does not exist.

    The engine checks the mounts first, or rejects the image, so that nothing is created in either case.
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
        text = f"Docker cannot see {', '.join(hidden)}: it runs elsewhere or in another mount namespace"
        tell(
            _AREA.bad(
                "mounts", text, "set storage.base_path to a folder that Docker sees under the same path"
            )
        )
    elif wanted:
        tell(_AREA.good("mounts", "Docker sees the folders of containers and volumes"))


async def _look_at_network(http: httpx.AsyncClient, configuration: Configuration, tell: Tell) -> None:
    found = await http.get(f"/networks/{recipe.NETWORK}")
    wanted = await find_mtu(configuration.docker.network_mtu)
    known = found.json() if found.is_success else None
    for finding in network.to_findings(known, await _rows(http, configuration), wanted):
        tell(finding)


async def _look_at_ownership(http: httpx.AsyncClient, configuration: Configuration, tell: Tell) -> None:
    """Whether containers of the node's name belong to another journal: two daemons, or a lost journal."""
    try:
        known = await trio.to_thread.run_sync(read_known, configuration.storage.base_path / "lightd.db")
    except JournalUnreadable:
        return  # there is none yet, or the storage's own check tells
    strange = sorted(
        orphan.name for orphan in to_orphans(await _rows(http, configuration), known, configuration.node)
    )
    if strange:
        text = (
            f"containers of the node {configuration.node} that are not in its journal (another daemon has its"
            f" name, or the journal was lost): {', '.join(strange[:IMAGES])}"
        )
        tell(_AREA.doubtful("ownership", text, "lightd orphans (and one node name for each daemon)"))
    else:
        tell(_AREA.good("ownership", "all containers of this node's name are in its journal"))


async def _rows(http: httpx.AsyncClient, configuration: Configuration) -> list[dict[str, Any]]:
    """The containers of this node, as ``GET /containers/json`` has them."""
    filters = json.dumps(recipe.to_filters(configuration.node))
    rows: list[dict[str, Any]] = (
        await http.get("/containers/json", params={"all": "1", "filters": filters})
    ).json()
    return rows


async def _look_at_images(
    http: httpx.AsyncClient, configuration: Configuration, ours: str, tell: Tell
) -> None:
    rows = await _rows(http, configuration)
    names = {str(row["ImageID"]): str(row["Image"]) for row in rows}
    strange = []
    for image_id, name in list(names.items())[:IMAGES]:
        image = await _get(http, f"/images/{image_id}/json") or {}
        if ours and image.get("Architecture") not in (ours, None, ""):
            strange.append(f"{name} ({image['Architecture']})")
    if strange:
        text = f"this machine is {ours}, but these images are not: {', '.join(strange)}"
        tell(
            _AREA.doubtful(
                "images", text, "POST /containers/:id/reinstall with an image for this architecture"
            )
        )
    elif ours:
        tell(_AREA.good("images", f"all images are for this architecture ({ours})"))


_LOOKS: Final[Mapping[str, Callable[[Configuration, Tell, Callable[[], float]], Awaitable[None]]]] = {
    "docker": _look_at_docker
}
"""What is checked of an engine beyond its isolation."""
