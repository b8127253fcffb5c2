"""Small files that are written completely or not at all, and synced to the disk. Standard library only."""

import os


def record(path: str, data: bytes) -> None:
    """Write ``data`` to the file and sync it; a reader sees the old contents or the new ones."""
    part = f"{path}.part"
    file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        rest = memoryview(data)
        while rest:  # a disk that is nearly full accepts a part, then fails
            rest = rest[os.write(file, rest) :]
        os.fsync(file)
    finally:
        os.close(file)
    os.replace(part, path)
    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def process_start(pid: int) -> str:
    """The start time of a process, in clock ticks since the boot; together with the pid it is unique."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()[19].decode()
