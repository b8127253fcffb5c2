"""``lightd demo`` shows a server's whole life, and leaves nothing behind."""

import os
import signal
import subprocess
import sys

import httpx

from tests.rig import engine

DEMO = [sys.executable, "-m", "lightd", "demo", "--image", engine.IMAGE]


def left_behind(folder):
    everybody = engine.call("GET", "/containers/json?all=1")
    names = [name for row in everybody for name in row["Names"]]
    return [name for name in names if "demo-" in name], list(folder.glob("lightd-demo-*"))


def run(folder, *command, **environment):
    return subprocess.run(
        command,
        env={**os.environ, "TMPDIR": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_demo_shows_the_whole_life_of_a_server(docker, tmp_path):
    shown = run(tmp_path, *DEMO)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    told = [
        "POST /volumes",
        "POST /network/ports",
        "POST /containers",
        "console | installing into /home/container",
        "event | ready",
        "/start",
        "console | Welcome to the demo",
        "event | running",
        "console | you said: hello",
        "the process ended with exit code 0",
        "DELETE /containers/demo-",
    ]
    places = [shown.stdout.find(line) for line in told]
    assert -1 not in places, shown.stdout
    assert left_behind(tmp_path) == ([], [])


def test_demo_goes_to_the_engine_that_was_found(docker, tmp_path):
    elsewhere = tmp_path / "elsewhere.sock"
    elsewhere.symlink_to(engine.socket_path())
    nowhere = "import sys; from lightd.cli import demo, main; demo.DOCKER = '/no/such'; sys.exit(main.main())"
    command = (sys.executable, "-c", nowhere, *DEMO[3:])
    shown = run(tmp_path, *command, DOCKER_HOST=f"unix://{elsewhere}")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "console | installing into /home/container" in shown.stdout
    assert left_behind(tmp_path) == ([], [])


def test_demo_says_what_is_wrong_where_its_image_is_missing(docker, tmp_path):
    shown = run(tmp_path, *DEMO[:-1], "lightd-no-such-image:1")
    assert shown.returncode == 1
    assert "lightd-no-such-image" in shown.stderr
    assert left_behind(tmp_path) == ([], [])


def begun(folder):
    return subprocess.Popen(
        [*DEMO, "--keep"], stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(folder)}
    )


def test_demo_that_is_interrupted_takes_its_server_with_it(docker, tmp_path):
    with begun(tmp_path) as process:
        assert any("event | starting" in line for line in process.stdout)
        process.send_signal(signal.SIGINT)
        process.stdout.read()
    assert process.returncode == 130
    assert left_behind(tmp_path) == ([], [])


def test_two_demos_at_once_keep_out_of_each_others_way(docker, tmp_path):
    with begun(tmp_path) as one, begun(tmp_path) as other:
        for process in (one, other):
            told = []
            assert any(told.append(line) or "keeps running" in line for line in process.stdout), told
            process.terminate()
            process.stdout.read()
    assert (one.returncode, other.returncode) == (0, 0)
    assert left_behind(tmp_path) == ([], [])


def test_demo_that_nobody_reads_any_more_takes_its_server_with_it(docker, tmp_path):
    with begun(tmp_path) as process:
        assert any("event | running" in line for line in process.stdout)
        process.stdout.close()
    assert process.returncode == 141
    assert left_behind(tmp_path) == ([], [])


def test_kept_demo_serves_until_it_is_told_to_stop(docker, tmp_path):
    with begun(tmp_path) as process:
        line = next(line for line in process.stdout if line.startswith("lightd listens on "))
        assert any("The daemon keeps running" in line for line in process.stdout)
        answer = httpx.get(f"{line.split()[-1]}/api/v1/public/ping", trust_env=False, timeout=60)
        assert answer.json()["status"] == "ok"
        process.terminate()
        process.stdout.read()
    assert process.returncode == 0
    assert left_behind(tmp_path) == ([], [])
