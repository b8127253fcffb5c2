"""``python -m tests.sftp_server.fuzzing FOLDER USER SEED COUNT``: packets at random for the SFTP server.

It enters FOLDER as the process of a connection does, so nothing outside of it can come to harm, and prints
how many answers of each type there were. An exception that no operation means to raise ends it.
"""

import asyncio
import json
import logging
import os
import random
import resource
import struct
import sys
from collections import Counter

import pathspec.patterns.gitignore.spec  # noqa: F401 - cannot be imported later
import re2  # noqa: F401 - as above
from asyncssh.constants import FXP_EXTENDED
from asyncssh.packet import SSHPacket
from asyncssh.sftp import SFTPServerHandler

from lightd.sftp import wire
from lightd.sftp.server import overrides, privileges
from lightd.sftp.server.files import Files
from lightd.sftp.server.journal import Journal

SIZE = 64 << 20
NAMES = (
    b"a",
    b"b",
    b"d",
    b"d/e",
    b"l",
    b"..",
    b".",
    b"/",
    b"",
    b"\xff",
    b"x\0y",
    b"n" * 300,
    b"my.key",
    b"hidden/a",
)
EXTENSIONS = (
    *(b"posix-rename@openssh.com", b"statvfs@openssh.com", b"fstatvfs@openssh.com", b"hardlink@openssh.com"),
    *(
        b"fsync@openssh.com",
        b"lsetstat@openssh.com",
        b"limits@openssh.com",
        b"copy-data",
        b"ranges@asyncssh.com",
    ),
    *(b"no-such", b""),
)
NUMBERS = (0, 1, 5, 4096, 2**15, 2**20, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)


class Silent:
    """What the handler reads from, writes to and logs to."""

    def __init__(self):
        self.sent = []
        self.logger = self
        self.channel = self

    def get_child(self, *_):
        return self

    def write(self, data):
        self.sent.append(data)

    def is_closing(self):
        return False

    def get_write_buffer_size(self):
        return 0

    def __getattr__(self, _):
        return lambda *_, **__: None


class Granting:
    """A daemon that has always room."""

    async def ask(self, _):
        return wire.Granted(granted=True), None


class Noise:
    """Makes packets: most have the form of a request with hostile values, others no form at all."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.handles = [b"\0\0\0\0"]

    def text(self, data=None):
        chance = self.chance
        if data is None:
            data = b"/".join(chance.choices(NAMES, k=chance.randrange(1, 5)))
        length = len(data) if chance.random() < 0.98 else chance.choice((0, 5, 2**31, 2**32 - 1))
        return struct.pack(">I", length) + data

    def attributes(self):
        chance = self.chance
        flags = chance.choice((0, 1, 2, 4, 8, 12, 13, 0x80000000, 0xFFFFFFFF))
        numbers = [chance.choice(NUMBERS) & 0xFFFFFFFF for _ in range(chance.randrange(8))]
        return struct.pack(f">I{len(numbers)}I", flags, *numbers)

    def handle(self):
        return self.text(self.chance.choice(self.handles) if self.chance.random() < 0.9 else b"?")

    def long(self):
        return struct.pack(">Q", self.chance.choice(NUMBERS[:6] if self.chance.random() < 0.8 else NUMBERS))

    def packet(self):
        chance = self.chance
        if chance.random() < 0.1:
            return chance.randrange(256), chance.randbytes(chance.randrange(60))
        kind = chance.randrange(3, 21) if chance.random() < 0.9 else FXP_EXTENDED
        body = b""
        match kind:
            case 3:
                body = self.text() + struct.pack(">I", chance.randrange(64)) + self.attributes()
            case 4 | 8 | 12:
                body = self.handle()
            case 5:
                body = self.handle() + self.long() + struct.pack(">I", chance.choice(NUMBERS) & 0xFFFFFFFF)
            case 6:
                body = self.handle() + self.long() + self.text(chance.randbytes(chance.randrange(200)))
            case 9 | 14:
                body = self.text() + self.attributes()
            case 10:
                body = self.handle() + self.attributes()
            case 18 | 20:
                body = self.text() + self.text()
            case 200:
                name = chance.choice(EXTENSIONS)
                fields = chance.choices(
                    (self.text, self.handle, self.long, self.attributes), k=chance.randrange(6)
                )
                body = self.text(name) + b"".join(each() for each in fields)
            case _:
                body = self.text()
        return kind, body


async def feed(seed, count):
    silent = Silent()
    journal = Journal(Granting())
    journal.take_on(
        wire.Accepted(
            *("session", "ticket", "1:1"),
            read_only=False,
            denied=(("*.key", "hidden/"),) if seed % 2 else (),
            limit=SIZE,
            used=0,
            counted=True,
        )
    )
    overrides.install()
    files = Files(silent, silent, journal)
    silent.transport = silent
    handler = SFTPServerHandler(files, silent, silent, 3)
    noise, answers = Noise(seed), Counter()
    for number in range(count):
        kind, body = noise.packet()
        silent.sent.clear()
        await handler._process_packet(kind, number & 0xFFFFFFFF, SSHPacket(body))
        (answer,) = silent.sent
        answers[answer[4]] += 1
        assert b"Uncaught exception" not in answer, (kind, body, answer)
        if answer[4] == 102:
            noise.handles = [*noise.handles, answer[13:]][-20:]
        if number % 500 == 499:
            journal.report(Told())
            for handle in list(handler._file_handles)[:-50]:
                files.close(handler._file_handles.pop(handle))
            handler._dir_handles.clear()
    return answers


class Told:
    """A daemon that hears what was done."""

    def tell(self, report):
        assert wire.from_bytes(wire.to_bytes(report)) == report
        return True


def main():
    folder, user, seed, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    logging.disable()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    volume = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    privileges.confine(sys.argv[5])
    privileges.enter(volume, user)
    answers = asyncio.run(feed(seed, count))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    sys.stdout.write(json.dumps({"answers": answers, "grown": grown * 1024}))


if __name__ == "__main__":
    main()
