"""What every resolver must give a jail: whatever the tenant plants or swaps, nothing leaves the volume.

Each ``check_*`` takes a ``Scene``, which looks at the canary at its end.
"""

import ctypes
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs

from lightd.files import copying, errors, listing, operations
from lightd.files.paths import ROOT, parse_path
from tests.support.scene import TENANT, Scene, download, held_in, refusal, unhurried, upload, wipe

ROUNDS = 100

# ---------------------------------------------------------------- links


def check_links_that_lead_out_are_refused_by_every_operation(scene: Scene) -> None:
    plants = {
        "absolute": str(scene.outside),
        "climbing": "../outside",
        "wandering": "folder/../../outside",
        "twice": "folder/../climbing",
        "magic": f"/proc/self/fd/{scene.jail.root}/../outside",
        "root": f"/proc/{os.getpid()}/root",
        "back": f"../{scene.volume.name}",
    }
    for name in plants:
        for below in ("canary.txt", "nest", "nest/canary.txt", "new", "new/deeper"):
            wipe(scene.volume)
            (scene.volume / "folder").mkdir()
            for link, target in plants.items():
                (scene.volume / link).symlink_to(target)
            path = parse_path(f"{name}/{below}")
            assert [refusal(ask) for ask in scene.through(path)] == [errors.InvalidPath] * 10
            for ask in scene.answers(path):
                refusal(ask)


def check_link_itself_is_moved_and_deleted_and_never_followed_out(scene: Scene) -> None:
    for target in (
        scene.outside,
        scene.outside / "canary.txt",
        scene.outside / "not-there",
        Path("../outside"),
    ):
        wipe(scene.volume)
        (scene.volume / "link").symlink_to(target)
        for ask in list(scene.through(parse_path("link")))[:8]:
            assert refusal(ask) is not None
        for ask in scene.answers(parse_path("link")):
            refusal(ask)


def check_dangling_link_is_never_created_through(scene: Scene) -> None:
    (scene.volume / "dangling").symlink_to("nowhere")
    for path in ("dangling", "dangling/file", "dangling/deep/file"):
        for ask in scene.answers(parse_path(path)):
            wipe(scene.volume)
            (scene.volume / "dangling").symlink_to("nowhere")
            refusal(ask)
            assert not (scene.volume / "nowhere").exists()


def check_links_that_stay_inside_are_followed(scene: Scene) -> None:
    (scene.volume / "worlds/one").mkdir(parents=True)
    (scene.volume / "deep/er").mkdir(parents=True)
    (scene.volume / "deep/er/world").symlink_to("../.././worlds//one/")
    (scene.volume / "latest").symlink_to("deep/er/world/log.txt")
    operations.write_file(scene.jail, parse_path("deep/er/world/log.txt"), b"line", TENANT)
    assert (scene.volume / "worlds/one/log.txt").read_bytes() == b"line"
    assert download(scene.jail, parse_path("latest")) == b"line"
    assert [entry.name for entry in listing.list_folder(scene.jail, parse_path("deep/er/world")).entries] == [
        "log.txt"
    ]
    operations.make_folder(scene.jail, parse_path("deep/er/world"), TENANT)


def check_link_to_write_to_is_refused_wherever_it_leads(scene: Scene) -> None:
    (scene.volume / "file").write_text("kept")
    (scene.volume / "link").symlink_to("file")
    assert (
        refusal(lambda: operations.write_file(scene.jail, parse_path("link"), b"x", None)) is errors.WrongKind
    )
    assert refusal(lambda: upload(scene.jail, parse_path("link"), b"x")) is errors.WrongKind
    assert (scene.volume / "file").read_text() == "kept"
    assert (scene.volume / "link").is_symlink()


def check_circles_and_long_chains_of_links_end(scene: Scene) -> None:
    (scene.volume / "circle").symlink_to("circle")
    (scene.volume / "file/..").parent.symlink_to(".")
    for number in range(41):
        (scene.volume / f"chain{number}").symlink_to(f"chain{number + 1}")
    (scene.volume / "chain41").mkdir()
    assert refusal(lambda: listing.list_folder(scene.jail, parse_path("circle"))) is errors.WrongKind
    assert refusal(lambda: listing.list_folder(scene.jail, parse_path("chain0"))) is errors.WrongKind
    assert refusal(lambda: listing.list_folder(scene.jail, parse_path("chain1"))) is None


def check_file_is_no_way_to_anywhere(scene: Scene) -> None:
    (scene.volume / "file").write_text("")
    (scene.volume / "dot").symlink_to("file/.")
    (scene.volume / "up").symlink_to("file/..")
    for path in ("file/x", "dot", "up"):
        assert refusal(lambda: listing.list_folder(scene.jail, parse_path(path))) is errors.WrongKind  # noqa: B023 - called at once


# ---------------------------------------------------------------- hard links


def check_hard_link_to_the_outside_is_replaced_and_never_read_or_changed(scene: Scene) -> None:
    path = parse_path("hard")
    jail = scene.jail
    for ask in (
        lambda: operations.write_file(jail, path, b"mine", TENANT),
        lambda: upload(jail, path, b"mine"),
        lambda: upload(jail, path, b"mine", name="again"),
    ):
        wipe(scene.volume)
        os.link(scene.outside / "canary.txt", scene.volume / "hard")
        assert refusal(ask) is None
        assert (scene.volume / "hard").read_bytes() == b"mine"
    wipe(scene.volume)
    os.link(scene.outside / "canary.txt", scene.volume / "hard")
    assert refusal(lambda: download(jail, path)) is errors.NotAllowed
    assert refusal(lambda: operations.change_mode(jail, path, 0o777)) is errors.NotAllowed
    assert (
        refusal(lambda: copying.copy(jail, path, parse_path("copy"), TENANT, unhurried)) is errors.NotAllowed
    )
    for ask in scene.answers(path):
        refusal(ask)


def check_hard_links_inside_are_files_like_any_other(scene: Scene) -> None:
    (scene.volume / "store").mkdir()
    (scene.volume / "store/one").write_text("shared")
    os.link(scene.volume / "store/one", scene.volume / "two")
    assert download(scene.jail, parse_path("two")) == b"shared"
    operations.change_mode(scene.jail, parse_path("two"), 0o600)
    copying.copy(scene.jail, parse_path("store"), parse_path("copy"), TENANT, unhurried)
    assert (scene.volume / "copy/one").read_text() == "shared"


# ---------------------------------------------------------------- what is neither file nor folder


def check_way_that_is_given_up_while_it_is_made_leaves_no_descriptor(scene: Scene) -> None:
    """The scene counts those at its end."""
    for most in range(4):
        calls = iter(range(most))
        jail = attrs.evolve(scene.jail, pace=lambda _, calls=calls: next(calls))
        with suppress(StopIteration):
            operations.make_folder(jail, parse_path(f"{most}/b/c/d/e"), TENANT)


def check_fifos_sockets_and_devices_are_never_opened(scene: Scene) -> None:
    wipe(scene.volume)
    os.mkfifo(scene.volume / "fifo")
    with suppress(PermissionError):  # only root makes devices
        os.mknod(scene.volume / "device", stat.S_IFCHR | 0o666, os.makedev(1, 5))  # zero: reading has no end
        os.mknod(scene.volume / "none", stat.S_IFBLK | 0o666, os.makedev(251, 251))  # opening one is an error
    for name in sorted({"fifo", "device", "none"} & set(held_in(scene.volume))):
        for ask in scene.through(parse_path(name)):
            assert refusal(ask) in (errors.WrongKind, errors.Exists)
        kind = {entry.name: entry.type for entry in listing.list_folder(scene.jail, ROOT).entries}[name]
        assert kind == "other"
        for ask in scene.answers(parse_path(f"{name}/below")):
            assert refusal(ask) is not errors.NotAllowed


# ---------------------------------------------------------------- races


@contextmanager
def swapping(volume: Path, name: str, target: Path, make: Callable[[Path], None]) -> Iterator[None]:
    """``name`` is now what ``make`` made, now a link to ``target``, as fast as a tenant can swap them."""
    libc = ctypes.CDLL(None)
    there, other = volume / name, volume / f"other-{name}"
    done = threading.Event()

    def swap() -> None:
        while not done.is_set():
            with suppress(OSError):
                if not os.path.lexists(there):
                    make(there)
                if not os.path.lexists(other):
                    other.symlink_to(target)
                for _ in range(100):
                    libc.renameat2(-100, os.fsencode(there), -100, os.fsencode(other), 2)  # RENAME_EXCHANGE

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def check_folder_swapped_for_a_link_leads_nowhere(scene: Scene) -> None:
    def make(folder: Path) -> None:
        (folder / "nest").mkdir(parents=True)
        (folder / "canary.txt").write_text("honest")
        (folder / "nest/canary.txt").write_text("honest")

    (scene.volume / "honest.txt").write_text("honest")
    with swapping(scene.volume, "d", scene.outside, make):
        for number in range(ROUNDS):
            path = parse_path(
                ("d/canary.txt", "d/nest/canary.txt", "d", "d/nest", f"d/new{number}/x")[number % 5]
            )
            for ask in scene.answers(path):
                refusal(ask)


def check_file_swapped_for_a_link_leads_nowhere(scene: Scene) -> None:
    (scene.volume / "honest.txt").write_text("honest")
    with swapping(
        scene.volume, "f", scene.outside / "canary.txt", lambda path: path.write_text("honest") and None
    ):
        for _ in range(ROUNDS):
            for ask in scene.answers(parse_path("f")):
                refusal(ask)


def check_link_that_climbs_is_not_carried_out_by_moving_its_folder(scene: Scene) -> None:
    """``a/b/c/up`` leads to ``outside`` in the volume; the same link in ``c`` would lead to the canary."""
    (scene.volume / "a/b/c").mkdir(parents=True)
    (scene.volume / "a/b/c/up").symlink_to("../../../outside")
    (scene.volume / "outside").mkdir()
    done = threading.Event()

    def move() -> None:
        while not done.is_set():
            with suppress(OSError):
                (scene.volume / "a/b/c").rename(scene.volume / "c")
            with suppress(OSError):
                (scene.volume / "c").rename(scene.volume / "a/b/c")

    thread = threading.Thread(target=move)
    thread.start()
    try:
        for _ in range(ROUNDS * 3):
            for ask in (
                lambda: listing.list_folder(scene.jail, parse_path("a/b/c/up")),
                lambda: operations.write_file(scene.jail, parse_path("a/b/c/up/new"), b"x", None),
                lambda: download(scene.jail, parse_path("a/b/c/up/canary.txt")),
            ):
                refusal(ask)
    finally:
        done.set()
        thread.join()
