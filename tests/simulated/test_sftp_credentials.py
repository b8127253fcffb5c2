"""The actor of the SFTP credentials, in virtual time."""

import trio

from actors.kernel.bus import open_bus
from actors.kernel.supervisor import open_supervisor
from actors.sftp.actor import SWEEP_EVERY, open_sftp
from actors.sftp.messages import Add
from tests.support.doubles.journals import SlowJournal

EPOCH = 1_700_000_000.0


async def test_credentials_are_swept_when_they_have_expired_or_their_container_is_deleted(autojump_clock):
    endings = {}

    def clock():
        return EPOCH + trio.current_time()

    async with open_bus(SlowJournal(clock)) as bus, open_supervisor() as supervisor:
        handle = await open_sftp(bus, supervisor, clock, endings)
        for number, (container, ttl) in enumerate((("s1", None), ("s2", None), ("s3", 400.0))):
            now = clock()
            ends = None if ttl is None else now + ttl
            await handle.ref.ask(Add(f"sftp-{number}", container, "", "", (), False, now, ends))
        left = []
        for _ in range(3):
            await trio.sleep(SWEEP_EVERY)
            await trio.testing.wait_all_tasks_blocked()
            left.append(sorted(handle.view.state.credentials))
            endings["s1"] = 1_000
        assert left == [["sftp-0", "sftp-1", "sftp-2"], ["sftp-1"], ["sftp-1"]]
