"""What the entrypoint's text does, in every shell that is here; tini's part is played by a process group."""

import os
import shutil
import signal
import subprocess

import pytest

from lightd.engines.host import entrypoint

SHELLS = {
    "ash": ["busybox", "sh"],
    "dash": ["dash"],
    "bash": ["bash"],
}

GRACEFUL = """#!/bin/sh
trap 'echo saving; sleep 0.1; echo saved; exit 4' TERM
echo "ready $A $TINI_KILL_PROCESS_GROUP $*"
while read -r line; do
    case $line in exit*) exit "${line#exit }" ;; *) echo "got $line" ;; esac
done
"""


@pytest.fixture(params=SHELLS)
def interpreter(request):
    if shutil.which(SHELLS[request.param][0]) is None:
        pytest.skip(f"no {request.param} here")
    return SHELLS[request.param]


@pytest.fixture
def graceful_server(tmp_path):
    path = tmp_path / "server"
    path.write_text(GRACEFUL)
    path.chmod(0o755)
    return str(path)


def start(shell, command, tmp_path):
    """Run the entrypoint as tini would: in a process group of its own."""
    script = tmp_path / "entrypoint.sh"
    script.write_text(entrypoint.to_script(command, tty=False))
    environment = {**os.environ, "HOME": "/root", **dict(entrypoint.to_environment(command))}
    return subprocess.Popen(
        [*shell, script], stdin=-1, stdout=-1, stderr=-2, text=True, env=environment, process_group=0
    )


def commands(server):
    return {
        "simple": f"{server} 'a b' \"$HOME\"",
        "assignment": f"A=1 {server}",
        "exec": f"exec {server}",
        "sequence": f"true && {server}; code=$?; [ $code = 0 ] || exit $code",
        "subshell": f"({server})",
        "shell": f'sh -c "true; {server}"',
        "condition": f"if true; then {server}; fi",
    }


@pytest.mark.parametrize("kind", commands(""))
def test_stdin_and_the_exit_code_are_the_programs(interpreter, kind, graceful_server, tmp_path):
    with start(interpreter, commands(graceful_server)[kind], tmp_path) as process:
        printed, _ = process.communicate("hello\nexit 7\n", timeout=60)
    assert printed.splitlines()[0].split()[0] == "ready"
    assert printed.splitlines()[1:] == ["got hello"]
    assert process.returncode == 7


@pytest.mark.parametrize("kind", commands(""))
def test_signal_reaches_the_program_and_is_waited_for(interpreter, kind, graceful_server, tmp_path):
    command = commands(graceful_server)[kind]
    with start(interpreter, command, tmp_path) as process:
        assert process.stdout.readline().startswith("ready")
        if entrypoint.to_environment(command):
            os.killpg(process.pid, signal.SIGTERM)
        else:
            process.terminate()
        process.stdin.write("\n")  # a shell's `read` looks at its trap when it returns
        printed, _ = process.communicate(timeout=60)
    assert [line for line in printed.splitlines() if line.startswith("sav")] == ["saving", "saved"]
    assert process.returncode == 4


def test_entrypoint_starts_no_further_command_after_the_signal(interpreter, graceful_server, tmp_path):
    with start(interpreter, f"{graceful_server}; echo next; sleep 60", tmp_path) as process:
        assert process.stdout.readline().startswith("ready")
        os.killpg(process.pid, signal.SIGTERM)
        printed, _ = process.communicate("\n", timeout=60)
    assert "next" not in printed


def test_background_programs_are_waited_for(interpreter, graceful_server, tmp_path):
    with start(interpreter, f"exec 3<&0; {graceful_server} <&3 & wait", tmp_path) as process:
        assert process.stdout.readline().startswith("ready")
        os.killpg(process.pid, signal.SIGTERM)
        printed, _ = process.communicate("\n", timeout=60)
    assert "saved" in printed


def test_arguments_and_environment_are_as_written(interpreter, graceful_server, tmp_path):
    for command, ready in [
        (f"{graceful_server} 'a b' \"$HOME\" \\;", "ready   a b /root ;"),
        (f'A="x y" {graceful_server}', "ready x y  "),
    ]:
        with start(interpreter, command, tmp_path) as process:
            printed, _ = process.communicate("exit 0\n", timeout=60)
        assert printed.splitlines()[0] == ready


def test_installer_honours_the_shebang_and_keeps_the_code(interpreter, tmp_path):
    script = tmp_path / "install.sh"
    for first, said in [("#!/bin/sh -e", "sh"), ("#!/no/such/interpreter -x", "sh")]:
        script.write_text(f"{first}\necho sh\nexit 9\n")
        text = entrypoint.to_installer_script(script.read_text(), "988:988")
        installer = tmp_path / "installer.sh"
        installer.write_text(text.replace(entrypoint.SCRIPT_PATH, str(script)).replace("chown", "true"))
        done = subprocess.run([*interpreter, installer], capture_output=True, text=True, check=False)
        assert (done.stdout, done.returncode) == (f"{said}\n", 9)
