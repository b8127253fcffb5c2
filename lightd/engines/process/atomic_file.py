"""Small files that are there whole or not at all, and on the disk. Standard library only."""

import os


def record(path: str, data: bytes) -> None:
    """Have the file hold ``data``."""
    part = f"{path}.part"
    file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        rest = memoryview(data)
        while rest:  # a disk that is nearly full takes a part, then refuses the rest
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


def began(pid: int) -> str:
    """When a process began, in the kernel's ticks since the boot: with its pid it is like no other's."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()[19].decode()
