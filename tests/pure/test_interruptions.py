"""Which ends of processes are Docker's or the host's doing, by the times and exit codes that are known."""

import os
from pathlib import Path

import pytest

from actors.container.engine import EngineUnavailable, Snapshot
from lightd.engines.docker import streams
from lightd.engines.docker.interruptions import EngineRun, Interruptions, is_interrupted
from lightd.engines.docker.translate import Refused
from lightd.engines.host import start_times

BOOTED, BEGAN = 1000.0, 2000.0
DOCKER = EngineRun(BOOTED, BEGAN)
PODMAN = EngineRun(BOOTED)
RESTORING = EngineRun(BOOTED, BEGAN, restores=True)
CONNECTED = EngineRun(BOOTED, BEGAN, lost_at=1990.0)


def ended(started_at, finished_at, code=143, **more):
    return Snapshot("e1", False, started_at, finished_at, code, **more)


@pytest.mark.parametrize(
    ("snapshot", "engine_run", "interrupted"),
    [
        pytest.param(ended(2010, 2020), DOCKER, False, id="a run of this dockerd"),
        pytest.param(ended(1500, 2001, 255), DOCKER, True, id="found dead by dockerd"),
        pytest.param(ended(1500, 2001, 1), DOCKER, True, id="ended by dockerd as it began"),
        pytest.param(ended(1500, 9000, 1), DOCKER, False, id="outlived dockerd, and ended much later"),
        pytest.param(ended(1500, 9000, 255), DOCKER, True, id="dockerd was slow to find it dead"),
        pytest.param(ended(1500, 1990), DOCKER, True, id="told to end, lightd was away"),
        pytest.param(ended(1500, 1990, 0), DOCKER, True, id="it obeyed, lightd was away"),
        pytest.param(ended(1500, 1990, 7), DOCKER, False, id="crashed, lightd was away"),
        pytest.param(ended(1500, 1990, 137, oom_killed=True), DOCKER, False, id="had no memory left"),
        pytest.param(ended(1500, 1985, 7), CONNECTED, True, id="ended in the shutdown, by its own code"),
        pytest.param(ended(1500, 1995, 143), CONNECTED, False, id="ended while dockerd was dead"),
        pytest.param(ended(1995, 1996, 143), CONNECTED, True, id="started after the connection was lost"),
        pytest.param(ended(1500, 2001, 255), RESTORING, True, id="live-restore, and nobody saw its end"),
        pytest.param(ended(1500, 2001, 143), RESTORING, False, id="live-restore, and it ended by itself"),
        pytest.param(ended(1500, 1990, 143), RESTORING, False, id="live-restore, and lightd was away"),
        pytest.param(ended(500, 2001, 137), RESTORING, True, id="live-restore, and the host was rebooted"),
        pytest.param(ended(500, 900, 7), DOCKER, True, id="ended before the reboot"),
        pytest.param(ended(500, 1001, 255), PODMAN, True, id="found dead after the reboot"),
        pytest.param(ended(500, 900), PODMAN, True, id="a reboot under Podman"),
        pytest.param(ended(1500, 1990), PODMAN, False, id="no reboot under Podman"),
        pytest.param(Snapshot("e1", False), DOCKER, False, id="never started"),
        pytest.param(ended(1500, None), DOCKER, False, id="no end is known"),
    ],
)
def test_end_is_an_interruption_where_the_engine_or_the_host_ended_the_process(
    snapshot, engine_run, interrupted
):
    assert is_interrupted(snapshot, engine_run) is interrupted


def test_start_of_a_process_is_known_by_its_name():
    name = Path(f"/proc/{os.getpid()}/comm").read_text().strip()
    began = start_times.process_started_at(os.getpid(), name)
    assert start_times.booted_at() < began
    assert start_times.process_started_at(os.getpid(), "another name") is None
    assert start_times.process_started_at(0, name) is None


async def test_engine_that_does_not_describe_itself_is_an_outage(monkeypatch):
    async def refuse(_path):
        raise Refused(503, "starting")

    monkeypatch.setattr(streams, "ping", refuse)
    with pytest.raises(EngineUnavailable, match="starting"):
        await Interruptions("/nowhere", None).judge(ended(1500, 2001))


class WithoutBridge:
    async def get(self, path):
        raise Refused(404, f"no {path}")


async def test_judgement_is_kept_as_long_as_the_engine_lists_the_container(monkeypatch, tmp_path):
    asked = []

    async def answer(path):
        asked.append(path)
        return os.getpid()

    monkeypatch.setattr(streams, "ping", answer)
    interruptions = Interruptions(str(tmp_path / "docker.sock"), WithoutBridge())
    end = ended(1500, 2001)
    for listed, judgements in (({end.engine_id}, 1), (set(), 1), ({end.engine_id}, 2)):
        await interruptions.judge(end)
        await interruptions.judge(end)
        assert len(asked) == judgements
        interruptions.keep(listed)
