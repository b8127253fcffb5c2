import pytest

from actors.container.engine import EngineRefused, EngineUnavailable, Listed, Notice, Role, Sample, Snapshot
from lightd.engines.docker import translate

LABELS = {translate.INTERNAL_ID: "s1", translate.ROLE: "server", translate.NODE: "n"}


def inspected(**state):
    default = {
        "Running": False,
        "StartedAt": translate.NEVER,
        "FinishedAt": translate.NEVER,
        "ExitCode": 0,
        "OOMKilled": False,
    }
    return {"Id": "e1", "State": default | state}


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        ("0001-01-01T00:00:00Z", None),
        ("", None),
        ("1970-01-01T00:00:01Z", 1.0),
        ("1970-01-01T00:00:01.5Z", 1.5),
        ("1970-01-01T00:00:01.123456789Z", 1.123456),
        ("1970-01-01T01:00:01.25+01:00", 1.25),
    ],
)
def test_times_are_unix_seconds(time, seconds):
    assert translate.to_seconds(time) == seconds


def test_container_that_never_ran_has_no_exit():
    assert translate.to_snapshot(inspected(ExitCode=127)) == Snapshot("e1", running=False)


def test_running_container_has_no_exit():
    state = inspected(Running=True, StartedAt="1970-01-01T00:00:09Z", FinishedAt="1970-01-01T00:00:05Z")
    assert translate.to_snapshot(state) == Snapshot("e1", running=True, started_at=9.0, finished_at=5.0)


def test_ended_container_has_its_exit():
    state = inspected(
        StartedAt="1970-01-01T00:00:01Z", FinishedAt="1970-01-01T00:00:05Z", ExitCode=137, OOMKilled=True
    )
    assert translate.to_snapshot(state) == Snapshot("e1", False, 1.0, 5.0, 137, True)


def test_life_never_ends_before_it_began():
    state = inspected(StartedAt="1970-01-01T00:00:05.002Z", FinishedAt="1970-01-01T00:00:05Z", ExitCode=1)
    assert translate.to_snapshot(state).finished_at == translate.to_snapshot(state).started_at == 5.002


def test_log_of_a_life_is_read_from_before_its_beginning_but_not_before_the_end_of_another():
    running = {"Running": True, "StartedAt": "1970-01-01T00:00:09Z"}
    assert translate.to_since(inspected(**running), 9.0) == 7.0
    assert translate.to_since(inspected(**running, FinishedAt="1970-01-01T00:00:08Z"), 9.0) == 8.0
    assert translate.to_since(inspected(**running, FinishedAt="1970-01-01T00:00:01Z"), 9.0) == 7.0
    assert translate.to_since(inspected(**running), 9.5) == 9.5
    assert translate.to_since(inspected(), 9.0) == 9.0
    ended = inspected(StartedAt="1970-01-01T00:00:09Z", FinishedAt="1970-01-01T00:00:08.999Z")
    assert translate.to_since(ended, 9.0) == 7.0


@pytest.mark.parametrize(
    ("state", "running"),
    [("created", False), ("running", True), ("paused", True), ("exited", False), ("dead", False)],
)
def test_row_of_the_list(state, running):
    row = {"Id": "e1", "Labels": LABELS, "State": state}
    assert translate.to_listed(row) == Listed("e1", "s1", Role.SERVER, running)


@pytest.mark.parametrize("labels", [{}, {translate.INTERNAL_ID: "s1"}, LABELS | {translate.ROLE: "backup"}])
def test_row_that_is_not_ours_is_left_out(labels):
    assert translate.to_listed({"Id": "e1", "Labels": labels, "State": "running"}) is None
    message = {"Type": "container", "Action": "die", "Actor": {"ID": "e1", "Attributes": labels}}
    assert translate.to_notice(message) is None


def test_events_that_we_follow_are_notices():
    message = {"Type": "container", "Action": "die", "Actor": {"ID": "e1", "Attributes": LABELS}}
    assert translate.to_notice(message) == Notice("die", "e1", "s1", Role.SERVER)
    assert translate.to_notice(message | {"Action": "exec_create: sh"}) is None
    assert translate.to_notice(message | {"Type": "network"}) is None


def test_version_of_the_engine_is_read_where_an_engine_answers():
    assert translate.to_engine_version({"Version": "20.10.24", "ApiVersion": "1.41"}) == "20.10.24"
    assert len(translate.to_engine_version({"Version": "x" * 1000})) == 100
    for answer in ({}, {"Version": 5}, [], None, "20"):
        with pytest.raises(EngineUnavailable):
            translate.to_engine_version(answer)


def test_one_shot_sample():
    stats = {
        "cpu_stats": {"cpu_usage": {"total_usage": 2_500_000_000}},
        "memory_stats": {"usage": 1000, "limit": 1 << 62, "stats": {"total_inactive_file": 400}},
        "networks": {"eth0": {"rx_bytes": 1, "tx_bytes": 2}, "eth1": {"rx_bytes": 10, "tx_bytes": 20}},
        "blkio_stats": {
            "io_service_bytes_recursive": [
                {"op": "Read", "value": 5},
                {"op": "write", "value": 6},
                {"op": "Total", "value": 11},
            ]
        },
        "pids_stats": {"current": 9},
    }
    assert translate.to_sample(stats, 7.0, 8000) == Sample(7.0, 2.5, 600, 8000, 11, 22, 5, 6, 9)


def test_one_shot_sample_of_version_2_without_network_or_disk():
    stats = {
        "cpu_stats": {"cpu_usage": {"total_usage": 0}},
        "memory_stats": {"usage": 10, "limit": 50, "stats": {"inactive_file": 40}},
        "blkio_stats": {"io_service_bytes_recursive": None},
    }
    assert translate.to_sample(stats, 7.0, 8000) == Sample(7.0, 0.0, 0, 50, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ({"status": "Pulling from library/alpine", "id": "3.19"}, "3.19: Pulling from library/alpine"),
        (
            {"status": "Downloading", "id": "a1", "progressDetail": {"current": 50, "total": 200}},
            "a1: Downloading 25%",
        ),
        ({"status": "Download complete", "id": "a1", "progressDetail": {}}, "a1: Download complete"),
        ({"status": "Digest: sha256:0"}, "Digest: sha256:0"),
        ({}, None),
    ],
)
def test_progress_is_told_in_lines(message, line):
    assert translate.to_progress(message) == line


@pytest.mark.parametrize(
    ("image", "reference"),
    [
        ("alpine", ("alpine", "latest")),
        ("alpine:3.19", ("alpine", "3.19")),
        ("ghcr.io/a/b:c", ("ghcr.io/a/b", "c")),
        ("localhost:5000/a/b", ("localhost:5000/a/b", "latest")),
        ("localhost:5000/a:1", ("localhost:5000/a", "1")),
        ("alpine@sha256:00", ("alpine", "sha256:00")),
    ],
)
def test_image_always_has_a_tag(image, reference):
    assert translate.to_reference(image) == reference


TAKEN = "driver failed programming external connectivity on endpoint lightd-a (0f): "
PROXY = "Error starting userland proxy: listen "
RUNTIME = "OCI runtime create failed: container_linux.go:380: starting container process caused: exec: "


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (
            f"{TAKEN}Bind for 0.0.0.0:25565 failed: port is already allocated",
            "Port 25565 is in use on the host",
        ),
        (
            f"{TAKEN}{PROXY}tcp4 0.0.0.0:80: bind: address already in use",
            "Port 80/tcp is in use on the host",
        ),
        (
            f"{TAKEN}{PROXY}udp4 1.2.3.4:80: bind: cannot assign requested address",
            "The host has no address 1.2.3.4",
        ),
        ("No such image: a/b:c", "There is no image a/b:c"),
        (
            'invalid mount config for type "bind": bind source path does not exist: /srv/secret',
            "A path that is to be mounted does not exist on the host",
        ),
        (
            "pull access denied for a/b, repository does not exist or may require 'docker login': denied",
            "There is no such image, or it may not be pulled",
        ),
        (
            f'{RUNTIME}"/bin/sh": stat /bin/sh: no such file or directory: unknown',
            "The image has no /bin/sh to start the command with",
        ),
        (
            "error while mounting /var/lib/docker/overlay2/x: no\nspace left: unknown",
            "Docker: error while mounting …: no space left",
        ),
        (
            'Get "https://registry-1.docker.io/v2/": dial tcp: no such host',
            'Docker: Get "https://registry-1.docker.io/v2/": dial tcp: no such host',
        ),
    ],
)
def test_refusals_are_sentences_without_the_hosts_paths(message, sentence):
    assert translate.to_refusal(message) == sentence


def test_long_refusal_is_cut():
    assert len(translate.to_refusal("x" * 5000)) < 400


@pytest.mark.parametrize(
    ("engine", "version"), [("1.41", "v1.41"), ("1.9", "v1.9"), ("1.47", "v1.47"), ("1.52", "v1.47")]
)
def test_api_version_is_one_that_both_speak(engine, version):
    assert translate.to_version({"ApiVersion": engine}) == version


@pytest.mark.parametrize("answer", [[], {}, {"ApiVersion": None}, {"ApiVersion": "new"}, "hi", None])
def test_answer_without_a_version_is_no_engines(answer):
    with pytest.raises(EngineUnavailable):
        translate.to_version(answer)


def test_error_is_ours_or_the_engines():
    assert isinstance(translate.to_fault(translate.Refused(409, "no")), EngineRefused)
    assert isinstance(translate.to_fault(translate.Refused(500, "oh")), EngineUnavailable)


def test_mount_source_is_found_by_its_destination():
    found = {"Mounts": [{"Destination": "/app/data", "Source": "/d"}, {"Destination": "/x", "Source": "/v"}]}
    assert translate.to_source(found, "/x") == "/v"
    assert translate.to_source(found, "/y") is None
