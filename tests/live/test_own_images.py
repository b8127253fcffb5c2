"""Installers with an image of their own, and images that start themselves, on a real engine."""

import io
import tarfile
import uuid

import pytest
import trio

from tests.rig import engine, images
from tests.support.daemon import USER, inspect, settled

PATHS = "PATH=/bin:/usr/bin:/sbin"
YOLK = r"""#!/bin/bash
cd /home/container
MODIFIED=$(eval echo "$(echo "$STARTUP" | sed -e 's/{{/${/g' -e 's/}}/}/g')")
echo ":/home/container$ $MODIFIED"
eval "$MODIFIED"
"""
"""The entrypoint of the public images: it fills in and runs the command in STARTUP."""
SAVES = r"""#!/bin/sh
trap 'echo Saving; sleep 2; echo saved >saved.txt; echo Saved; exit 0' INT
echo "Ready on $SERVER_PORT"
while true; do sleep 0.1; done
"""
"""A server that needs some time to save at SIGINT."""


def to_tree(files):
    """The rig's tree with more programs, as a tar."""
    packed = io.BytesIO(images.working())
    with tarfile.open(fileobj=packed, mode="a") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text.encode()), 0o755
            archive.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


@pytest.fixture
def make_image(docker):
    """Make images of the rig's tree; yields a function from programs and changes to the image's name."""
    made = []

    def make(files, *changes):
        repository = f"lightd-own-{uuid.uuid4().hex[:8]}"
        body, changes = to_tree(files), [f"ENV {PATHS}", *changes]
        engine.call(
            "POST", "/images/create", body=body, fromSrc="-", repo=repository, tag="1", changes=changes
        )
        made.append(f"{repository}:1")
        return made[-1]

    yield make
    for name in made:
        engine.call("DELETE", f"/images/{name}", force=1)


def volume_of(daemon, volume_id):
    return daemon.folder / "storage" / "volumes" / volume_id


def to_installer(image, script, program="bash"):
    return {"image": image, "entrypoint": program, "script": script}


async def test_installer_runs_in_its_own_image_with_the_environment_of_the_server(daemon, make_image):
    image = make_image({"bin/only-here": "#!/bin/sh\necho 'of the installer'\n"})
    script = (
        'set -eu\r\necho "installing $WORLD"\r\ncd /mnt/server\r\n'
        'echo "$0 $WORLD $QUERY_PORT $(only-here)" >told.txt\r\n'
        "stty size >size.txt; mkdir -p deep; touch deep/file\r\nid -u >user.txt\r\n"
    )
    port = {"ip": "127.0.0.1", "port": 27731}
    await daemon.post("/network/ports", port)
    volume_id = await daemon.volume()
    await daemon.create(
        "own-installer",
        "only-here; echo Ready; stdin-echo",
        volume_id=volume_id,
        install=to_installer(image, script),
        environment={"WORLD": "Midgard"},
        ports=[{**port, "name": "QUERY_PORT"}],
        start_texts=["Ready"],
    )
    folder = volume_of(daemon, volume_id)
    told = (folder / "told.txt").read_text()
    assert told == "/mnt/install/install.sh Midgard 27731 of the installer\n"
    assert (folder / "size.txt").read_text() == "30 120\n"
    log = await daemon.get("/containers/own-installer/install-log")
    assert (log["status"], log["exit_code"], log["attempt"]) == ("succeeded", 0, 1)
    assert log["started_at"] <= log["finished_at"]
    assert [line["text"] for line in log["lines"]] == ["installing Midgard"]
    assert (folder / "user.txt").read_text() == "0\n"
    owner = int(USER.partition(":")[0])
    assert {path.stat().st_uid for path in (folder, *folder.rglob("*"))} == {owner}
    async with daemon.console("own-installer") as console:
        await daemon.power("start", "own-installer")
        await console.until("console", "not found")  # the server has another image


async def test_reinstallation_runs_the_installer_again_and_can_replace_it(daemon, make_image):
    image, volume_id = make_image({}), await daemon.volume()
    await daemon.create(
        "own-again",
        volume_id=volume_id,
        install=to_installer(image, "echo one >>/mnt/server/runs"),
    )
    path = "/containers/own-again/reinstall"
    assert (await daemon.post(path, {}, wait=60))["status"] == "succeeded"
    changed = to_installer(image, "echo two >>/mnt/server/runs", "/bin/sh")
    assert (await daemon.post(path, {"install": changed}, wait=60))["status"] == "succeeded"
    assert (await daemon.show("own-again"))["install"] == changed
    assert (await daemon.post(path, {"install_script": "echo three >>runs"}, wait=60))[
        "status"
    ] == "succeeded"
    shown = await daemon.show("own-again")
    assert (shown["install"], shown["install_script"]) == (None, "echo three >>runs")
    assert (volume_of(daemon, volume_id) / "runs").read_text() == "one\none\ntwo\nthree\n"


@pytest.mark.parametrize(
    ("install", "error"),
    [
        ({"image": "lightd-own-missing:1", "script": "true"}, "lightd-own-missing"),
        ({"image": engine.IMAGE, "script": "exit 7"}, "the install script ended with exit code 7"),
        ({"image": engine.IMAGE, "script": "true", "entrypoint": "no-such"}, "exit code 127"),
        ({"image": engine.BROKEN_IMAGE, "script": "true"}, "exit code 127"),
    ],
)
async def test_installer_that_fails_says_why(daemon, install, error):
    await daemon.create("own-fails", wait=False, install=install, pull="never")
    with trio.fail_after(60):
        while (shown := await daemon.show("own-fails"))["install_state"] != "failed":
            await trio.sleep(0.05)
    assert error in shown["error"]
    if "exit code" in error:
        log = await daemon.get("/containers/own-fails/install-log")
        assert (log["status"], log["exit_code"]) == ("failed", int(error.split()[-1]))
        assert log["error"] == shown["error"]


@pytest.mark.parametrize("action", ["stop", "kill"])
async def test_installer_that_is_aborted_ends_and_leaves_the_volume_to_the_server(daemon, make_image, action):
    volume_id = await daemon.volume()
    install = to_installer(make_image({}), "cd /mnt/server; echo planting; touch planted; sleep 1000")
    await daemon.create("own-abort", wait=False, volume_id=volume_id, install=install)
    planted = volume_of(daemon, volume_id) / "planted"
    with trio.fail_after(60):
        # The file is there before the daemon has read the line, and an abort keeps what was read.
        while not (planted.exists() and (await daemon.get("/containers/own-abort/install-log"))["lines"]):
            await trio.sleep(0.05)
    await daemon.post(f"/containers/own-abort/{action}")
    with trio.fail_after(60):
        while planted.stat().st_uid != int(USER.partition(":")[0]) or daemon.in_docker():
            await trio.sleep(0.05)
    assert (await daemon.show("own-abort"))["error"] == "cancelled on request"
    log = await daemon.get("/containers/own-abort/install-log")
    assert (log["status"], log["exit_code"]) == ("aborted", None)
    assert [line["text"] for line in log["lines"]] == ["planting"]


async def test_daemon_that_is_killed_during_an_installation_goes_on_with_it(daemon, make_image):
    volume_id = await daemon.volume()
    waits = "echo begun; touch begun; while [ ! -e go ]; do sleep 0.1; done; echo x | tee -a runs"
    install = to_installer(make_image({}), f"cd /mnt/server; {waits}")
    await daemon.create("own-killed", wait=False, volume_id=volume_id, install=install)
    folder = volume_of(daemon, volume_id)
    with trio.fail_after(60):
        while not (folder / "begun").exists():
            await trio.sleep(0.05)
    assert (await daemon.get("/containers/own-killed/install-log"))["status"] == "running"
    daemon.kill()
    await daemon.start()
    (folder / "go").touch()
    with trio.fail_after(60):
        while (await daemon.show("own-killed"))["install_state"] == "installing":
            await trio.sleep(0.05)
    assert (await daemon.show("own-killed"))["install_state"] == "ready"
    assert (folder / "runs").read_text() == "x\n"
    log = await daemon.get("/containers/own-killed/install-log")
    assert (log["status"], [line["text"] for line in log["lines"]]) == ("succeeded", ["begun", "x"])


async def test_image_that_starts_itself_runs_the_filled_command_as_public_images_do(daemon, make_image):
    image = make_image(
        {"yolk.sh": YOLK, "bin/game": SAVES}, 'ENTRYPOINT ["/bin/bash"]', 'CMD ["/yolk.sh"]', "WORKDIR /tmp"
    )
    port = {"ip": "127.0.0.1", "port": 27732}
    await daemon.post("/network/ports", port)
    volume_id = await daemon.volume()
    await daemon.create(
        "own-yolk",
        'game --world "{{WORLD}}" --port {{SERVER_PORT}}',
        image=image,
        volume_id=volume_id,
        entrypoint="image",
        environment={"WORLD": "Mid gard"},
        ports=[port],
        start_texts=["Ready on 27732"],
        stop={"type": "signal", "value": "SIGINT", "timeout": 30},
    )
    async with daemon.console("own-yolk") as console:
        assert (await daemon.power("start", "own-yolk"))["status"] == "succeeded"
        await console.until("console", "game --world Mid gard --port 27732")
        await settled(daemon, "own-yolk", state="running")
        assert (await daemon.power("stop", "own-yolk"))["status"] == "succeeded"
        await console.until("console", "Saved")
        assert (await console.until("event", "exit"))["crashed"] is False
    assert (volume_of(daemon, volume_id) / "saved.txt").read_text() == "saved\n"


async def test_image_that_starts_itself_needs_no_command(daemon, make_image):
    image = make_image({"bin/own": "#!/bin/sh\npwd\nexec stdin-echo\n"}, 'ENTRYPOINT ["own"]', "WORKDIR /var")
    body = {
        "internal_id": "own-entrypoint",
        "image": image,
        "volume_id": await daemon.volume(),
        "entrypoint": "image",
    }
    assert (await daemon.post("/containers", body, wait=60))["status"] == "succeeded"
    assert (await daemon.show("own-entrypoint"))["startup_command"] is None
    async with daemon.console("own-entrypoint") as console:
        await daemon.power("start", "own-entrypoint")
        await console.until("console", "Ready")
    assert "/var" in console.text
    made = inspect("own-entrypoint")
    assert (made["Config"]["Entrypoint"], made["Config"]["WorkingDir"]) == (["own"], "/var")
    await daemon.call(
        "PATCH", "/containers/own-entrypoint", {"entrypoint": "shell", "startup_command": "stdin-echo"}
    )
    await daemon.power("restart", "own-entrypoint")
    assert inspect("own-entrypoint")["Config"]["Entrypoint"] == ["/bin/sh", "/app/data/entrypoint.sh"]


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGQUIT", "SIGHUP", "SIGUSR1"])
async def test_signal_reaches_a_program_behind_the_shell_of_an_image(daemon, make_image, name):
    """The program saves for a moment; the shell before it does not end the container meanwhile."""
    saves = (
        f"trap 'sleep 1; echo saved >saved.txt; exit 0' {name[3:]}; echo Ready; while :; do sleep 0.1; done"
    )
    ignoring = f'#!/bin/sh\ntrap : {name[3:]}\ncd /home/container\nsh -c "$STARTUP"\n'
    image = make_image({"start.sh": ignoring}, 'ENTRYPOINT ["/bin/sh", "/start.sh"]')
    volume_id = await daemon.volume()
    await daemon.create(
        "own-signal",
        saves,
        image=image,
        volume_id=volume_id,
        entrypoint="image",
        start_texts=["Ready"],
        stop={"type": "signal", "value": name, "timeout": 30},
    )
    assert (await daemon.power("start", "own-signal"))["status"] == "succeeded"
    await settled(daemon, "own-signal", state="running")
    assert (await daemon.power("stop", "own-signal"))["status"] == "succeeded"
    assert (volume_of(daemon, volume_id) / "saved.txt").read_text() == "saved\n"


async def test_server_that_saves_longer_than_its_grace_is_killed(daemon):
    volume_id = await daemon.volume()
    saves = "trap 'echo begun >begun.txt; sleep 1000; echo saved >saved.txt; exit 0' INT; echo Ready; "
    await daemon.create(
        "own-grace",
        f"{saves}while :; do sleep 0.1; done",
        volume_id=volume_id,
        start_texts=["Ready"],
        stop={"type": "signal", "value": "SIGINT", "timeout": 2},
    )
    assert (await daemon.power("start", "own-grace"))["status"] == "succeeded"
    await settled(daemon, "own-grace", state="running")
    assert (await daemon.power("stop", "own-grace"))["status"] == "succeeded"
    assert (await daemon.show("own-grace"))["exit"]["code"] == 137
    folder = volume_of(daemon, volume_id)
    assert [path.name for path in folder.iterdir()] == ["begun.txt"]


async def test_installer_that_ended_while_lightd_was_dead_is_told_with_its_log(daemon, make_image):
    volume_id = await daemon.volume()
    waits = "echo begun; touch begun; while [ ! -e go ]; do sleep 0.1; done; echo x; exit 5"
    install = to_installer(make_image({}), f"cd /mnt/server; {waits}")
    await daemon.create("own-dead", wait=False, volume_id=volume_id, install=install)
    folder = volume_of(daemon, volume_id)
    with trio.fail_after(60):
        while not (folder / "begun").exists():
            await trio.sleep(0.05)
    daemon.kill()
    (folder / "go").touch()
    with trio.fail_after(60):
        while engine.call("GET", "/containers/lightd.installer-own-dead/json")["State"]["Running"]:
            await trio.sleep(0.05)
    await daemon.start()
    with trio.fail_after(60):
        while (await daemon.show("own-dead"))["install_state"] == "installing":
            await trio.sleep(0.05)
    log = await daemon.get("/containers/own-dead/install-log")
    assert (log["status"], log["exit_code"]) == ("failed", 5)
    assert [line["text"] for line in log["lines"]] == ["begun", "x"]


async def test_installer_that_is_removed_outside_lightd_is_told(daemon, make_image):
    volume_id = await daemon.volume()
    install = to_installer(make_image({}), "cd /mnt/server; echo begun; touch begun; sleep 1000")
    await daemon.create("own-removed", wait=False, volume_id=volume_id, install=install)
    begun = volume_of(daemon, volume_id) / "begun"
    with trio.fail_after(60):
        while not begun.exists():
            await trio.sleep(0.05)
    await trio.to_thread.run_sync(
        lambda: engine.call("DELETE", "/containers/lightd.installer-own-removed", force="1", v="1")
    )
    with trio.fail_after(60):
        while (shown := await daemon.show("own-removed"))["install_state"] == "installing":
            await trio.sleep(0.05)
    killed = "the install script ended with exit code 137"  # Docker kills it before it removes it
    assert shown["error"] in ("the install container was removed outside lightd", killed)
    with trio.fail_after(60):
        while begun.stat().st_uid != int(USER.partition(":")[0]):
            await trio.sleep(0.05)
    log = await daemon.get("/containers/own-removed/install-log")
    assert log["status"] == ("failed" if shown["error"] == killed else "aborted")
    assert [line["text"] for line in log["lines"]] == ["begun"]
