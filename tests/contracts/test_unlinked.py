"""Files without a name that processes still use are measured, however they are used. On real processes."""

import os
import subprocess
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from lightd.files import errors, unlinked
from lightd.files.unlinked import exhaust, survey_unlinked

MIB = 1 << 20

BEGIN = """
import ctypes, mmap, os, socket, subprocess, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)

def check(result):
    if result in (-1, 2**64 - 1):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result

def make(name="big", dir_fd=None):
    descriptor = os.open(name, os.O_RDWR | os.O_CREAT, 0o755, dir_fd=dir_fd)
    os.write(descriptor, bytes(1 << 20))
    os.fsync(descriptor)
    return descriptor

def ready():
    print("ready", flush=True)
    sys.stdin.read()
"""

OPEN = "held = make(); os.unlink('big'); ready()"
MAPPED = "held = make(); mapped = mmap.mmap(held, 1 << 20); os.close(held); os.unlink('big'); ready()"
LOW = """
held = make()
libc.mmap.restype = ctypes.c_void_p
check(libc.mmap(ctypes.c_void_p(0x100000), 1 << 20, 1, 0x12, held, 0) or 0)  # private, at this address
os.close(held); os.unlink("big"); ready()
"""
TEMPORARY = """
held = os.open(".", os.O_RDWR | os.O_TMPFILE)
os.write(held, bytes(1 << 20)); os.fsync(held); ready()
"""
DEEP = """
here = os.open(".", os.O_RDONLY)
for _ in range(30):
    os.mkdir("x" * 200, dir_fd=here)
    here = os.open("x" * 200, os.O_RDONLY, dir_fd=here)
held = make(dir_fd=here); os.unlink("big", dir_fd=here); ready()
"""
IN_A_THREAD = """
def hold():
    check(libc.unshare(0x400))  # CLONE_FILES
    held = make(); os.unlink("big"); done.set(); time.sleep(1000)

done = threading.Event()
threading.Thread(target=hold, daemon=True).start()
done.wait(); ready()
"""
WITHOUT_ITS_FIRST_THREAD = """
def hold():
    held = make(); os.unlink("big")
    if {mapped}:
        mapped = mmap.mmap(held, 1 << 20); os.close(held)
    while open(f"/proc/{{os.getpid()}}/stat").read().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.01)
    os.write(1, b"ready\\n"); time.sleep(1000)

threading.Thread(target=hold).start()
libc.syscall({exit}, 0)
"""
CHILDREN = """
held = make(); os.unlink("big")
others = [os.dup(held) for _ in range(3)]
if os.fork() == 0:
    time.sleep(1000)
ready()
"""
NAMED = "held = make(); os.link('big', 'other'); os.unlink('big'); ready()"
IN_MEMORY = "held = os.memfd_create('big (deleted)'); os.write(held, bytes(1 << 20)); ready()"
ELSEWHERE = """
os.chdir("/dev/shm"); name = f"lightd-test-{os.getpid()}"
held = make(name); os.unlink(name); ready()
"""
SAYS_DELETED = "held = make('big (deleted)'); mapped = mmap.mmap(held, 1 << 20); ready()"

EXIT = {"x86_64": 60}.get(os.uname().machine, 93)


@contextmanager
def running(program, folder):
    """Run ``program`` in ``folder`` until it is ready; yield its threads."""
    command = [sys.executable, "-c", BEGIN + program]
    with subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # what pytest keeps it in has no name
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout.readline() == b"ready\n"
            yield partial(threads_of, process.pid)
        finally:
            os.killpg(process.pid, 9)


def threads_of(leader):
    """The threads of all processes in a session, as a cgroup lists them."""
    found = []
    for task in Path("/proc").glob("[0-9]*/task/*"):
        try:
            if int((task / "stat").read_text().rpartition(")")[2].split()[3]) == leader:
                found.append(int(task.name))
        except (OSError, ValueError):
            continue
    return found


def measured(folder, threads):
    return exhaust(survey_unlinked(str(folder), threads))


USES = {
    "open": OPEN,
    "mapped": MAPPED,
    "mapped at a low address": LOW,
    "never named": TEMPORARY,
    "path longer than a page": DEEP,
    "in a thread with its own descriptors": IN_A_THREAD,
    "first thread ended": WITHOUT_ITS_FIRST_THREAD.format(mapped=False, exit=EXIT),
    "mapped, first thread ended": WITHOUT_ITS_FIRST_THREAD.format(mapped=True, exit=EXIT),
    "many descriptors, several processes": CHILDREN,
}


@pytest.fixture(params=[True, False], ids=["kcmp", "without kcmp"])
def comparing(request, monkeypatch):
    if not request.param:
        monkeypatch.setattr(unlinked, "_KCMP", None)


@pytest.mark.usefixtures("comparing")
@pytest.mark.parametrize("program", USES.values(), ids=USES)
def test_file_that_lost_its_name_counts_once_however_it_is_used(program, tmp_path):
    with running(program, tmp_path) as threads:
        found = measured(tmp_path, threads)
        assert (found.bytes, found.entries) == (MIB, 1)
    assert measured(tmp_path, lambda: ()).bytes == 0


NOT_COUNTED = {
    "another name": NAMED,
    "in memory": IN_MEMORY,
    "on another file system": ELSEWHERE,
    "its name says so": SAYS_DELETED,
}


@pytest.mark.parametrize("program", NOT_COUNTED.values(), ids=NOT_COUNTED)
def test_file_that_has_a_name_or_is_elsewhere_does_not_count(program, tmp_path):
    with running(program, tmp_path) as threads:
        assert measured(tmp_path, threads).bytes == 0


def test_folder_that_was_deleted_counts_while_a_process_is_in_it(tmp_path):
    program = "os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone'); ready()"
    with running(program, tmp_path) as threads:
        assert measured(tmp_path, threads).entries == 1


def test_program_that_was_deleted_counts_while_it_runs(tmp_path):
    program = (
        "import shutil; shutil.copy('/bin/sleep', 'program')\n"
        "child = subprocess.Popen(['./program', '1000'])\n"  # returns when it is executed
        "os.unlink('program'); ready()"
    )
    with running(program, tmp_path) as threads:
        found = measured(tmp_path, threads)
    assert found.entries == 1
    assert found.bytes >= Path("/bin/sleep").stat().st_size


def test_process_that_began_meanwhile_is_looked_at_and_one_that_ended_is_not_missed(tmp_path):
    with running(OPEN, tmp_path) as threads:
        rounds = [[2**22 - 1], threads(), threads()]  # a thread that does not exist, then the new one
        assert measured(tmp_path, lambda: rounds.pop(0)).bytes == MIB


def test_too_many_descriptors_are_an_error_instead_of_a_wrong_size(tmp_path, monkeypatch):
    monkeypatch.setattr(unlinked, "MOST", 50)
    program = "held = [os.open('.', os.O_RDONLY) for _ in range(100)]; ready()"
    refused = pytest.raises(errors.NotAllowed, match="more than 50 files open")
    with running(program, tmp_path) as threads, refused:
        measured(tmp_path, threads)


def test_own_descriptors_count_while_they_are_open(tmp_path):
    path = tmp_path / "big"
    path.write_bytes(bytes(MIB))
    descriptor = os.open(path, os.O_RDONLY)
    path.unlink()
    survey = partial(survey_unlinked, str(tmp_path), lambda: (), lambda: [descriptor])
    assert exhaust(survey()).bytes == MIB
    os.close(descriptor)
    assert exhaust(survey()).bytes == 0
