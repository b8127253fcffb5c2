"""A Docker Engine started by hand, where no service manager has one: `start`, `stop`.

It runs detached, with its log and its pidfile in the state directory. Only an engine that this module
started is ever stopped by it.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.rig import engine

START_SECONDS = 60
STOP_SECONDS = 30

# An engine that was killed leaves its own number and its containerd's behind, and the next one takes those
# processes for alive, although they are dead, as long as nobody has reaped them.
CLEAR_LEFTOVERS = """
for file in /var/run/docker/containerd/containerd.pid "$1"; do
    number=$(cat "$file" 2>/dev/null) || continue
    case $(sed -n 's/^State:[[:space:]]*//p' "/proc/$number/status" 2>/dev/null) in
        '' | Z* | X*) rm -f "$file" ;;
    esac
done
"""


def state_directory() -> Path:
    """Where the engine's log and pidfile are; ``SystemExit`` if somebody else could write there."""
    default = Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp") / "lightd-rig"
    path = Path(os.environ.get("LIGHTD_RIG_STATE") or default)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.stat().st_uid not in (os.geteuid(), 0) or path.stat().st_mode & 0o022:
        sys.exit(f"{path} belongs to somebody else: remove it, or set LIGHTD_RIG_STATE to another directory.")
    return path


def as_root(*command: str) -> list[str]:
    return list(command) if os.geteuid() == 0 else ["sudo", *command]


def _running() -> int | None:
    try:
        pid = int((state_directory() / "dockerd.pid").read_text())
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except (OSError, ValueError):
        return None
    return pid if name == "dockerd" else None


def start() -> None:
    """An engine answers, started just now; ``SystemExit`` with the end of its log if it doesn't."""
    log = state_directory() / "dockerd.log"
    _mount_cgroups()
    pidfile = state_directory() / "dockerd.pid"
    subprocess.run(as_root("sh", "-c", CLEAR_LEFTOVERS, "sh", str(pidfile)), check=False)
    command = as_root(
        "dockerd",
        f"--host=unix://{engine.socket_path()}",
        f"--pidfile={pidfile}",
        f"--group={os.getgid()}",
    )
    with log.open("wb") as out:
        # A session of its own: no terminal's hang-up or Ctrl-C reaches it.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, cwd="/"
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            engine.check_answers()
        except engine.NoEngine:
            time.sleep(0.1)
        else:
            print(f"Engine: started by hand, its log is {log}.")
            return
    ended = f"ended with {process.poll()}" if process.poll() is not None else "does not answer"
    end = "\n  ".join(log.read_text(errors="replace").splitlines()[-15:])
    sys.exit(f"dockerd {ended}; the end of {log}:\n  {end}")


def _mount_cgroups() -> None:
    # Without a service manager nobody may have mounted them, and no container starts without.
    if not any(Path("/sys/fs/cgroup").iterdir()):
        subprocess.run(as_root("mount", "-t", "cgroup2", "cgroup2", "/sys/fs/cgroup"), check=False)


def stop() -> None:
    """The engine that `start` started is gone, its containers with it."""
    pid = _running()
    if pid is None:
        print("Engine: none that the rig started.")
        return
    try:
        os.kill(pid, signal.SIGTERM)
    except PermissionError:
        # The shell's own kill: a bare Debian has no other.
        subprocess.run(as_root("sh", "-c", f"kill -TERM {pid}"), check=True)
    deadline = time.monotonic() + STOP_SECONDS
    while _running() is not None:
        if time.monotonic() > deadline:
            sys.exit(f"dockerd ({pid}) goes on {STOP_SECONDS} s after SIGTERM.")
        time.sleep(0.1)
    print("Engine: stopped.")


if __name__ == "__main__":
    {"start": start, "stop": stop}[sys.argv[1]]()
