"""What the doctor makes of what it sees: each verdict, green and red."""

import stat
from pathlib import Path

import attrs
import pytest

from lightd.cli.commands import screen, settings
from lightd.cli.doctor import (
    clock,
    engine,
    limits,
    listeners,
    network,
    panel,
    ports,
    report,
    software,
    storage,
)
from lightd.cli.doctor.finding import Area, Verdict
from lightd.cli.doctor.listeners import Listener
from lightd.cli.doctor.ports import Pooled
from lightd.cli.doctor.storage import Folder, Room
from lightd.config.sections import Remote, Storage
from lightd.journal.inspection import Inspected
from lightd.panel.answers import Answer
from tests.support.doubles.engine_answers import INFO, VERSION

NOW = 1_780_000_000.0
GOOD, DOUBTFUL, BAD, UNSEEN = Verdict


def verdicts(findings):
    """The verdict by name, each finding that isn't green having what mends it."""
    found = {}
    for finding in findings:
        assert finding.text
        assert bool(finding.mend) is (finding.verdict in (DOUBTFUL, BAD)) or finding.verdict is UNSEEN
        found[finding.name] = finding.verdict
    return found


# ---- the engine


def test_engine_as_it_should_be_is_all_green():
    assert set(verdicts(engine.to_findings(VERSION, INFO, NOW)).values()) == {GOOD}


@pytest.mark.parametrize(
    ("change", "name", "verdict"),
    [
        ({"CgroupDriver": "none"}, "cgroup", BAD),
        ({"MemoryLimit": False}, "cgroup", BAD),
        ({"Plugins": {"Log": ["json-file"]}}, "log-driver", BAD),
        ({"SecurityOptions": ["name=userns"]}, "users", BAD),
        ({"SecurityOptions": ["name=rootless"]}, "users", DOUBTFUL),
        ({"Driver": "vfs"}, "storage-driver", DOUBTFUL),
        ({"InitCommit": {"ID": "N/A"}}, "init", BAD),
        ({"InitBinary": ""}, "init", BAD),
        ({"SystemTime": "2026-05-28T20:28:40Z"}, "clock", BAD),
    ],
)
def test_engine_check_names_what_an_engine_lacks(change, name, verdict):
    assert verdicts(engine.to_findings(VERSION, INFO | change, NOW))[name] is verdict


@pytest.mark.parametrize("api", ["1.40", "", "x"])
def test_old_engine_is_red(api):
    assert verdicts(engine.to_findings({"ApiVersion": api}, INFO, NOW))["version"] is BAD


CLOSED = {"Id": "n1", "Driver": "bridge", "Options": {"com.docker.network.bridge.enable_icc": "false"}}
SMALL = {"Options": {**CLOSED["Options"], "com.docker.network.driver.mtu": "1400"}}


def connected(network_id):
    return {"NetworkSettings": {"Networks": {"lightd": {"NetworkID": network_id}}}}


@pytest.mark.parametrize(
    ("found", "mtu", "expected"),
    [
        (None, 1400, {"network": GOOD}),
        (CLOSED, 1500, {"network": GOOD, "mtu": GOOD}),
        (CLOSED, 1400, {"network": GOOD, "mtu": BAD}),
        (CLOSED | SMALL, 1400, {"network": GOOD, "mtu": GOOD}),
        (CLOSED, None, {"network": GOOD}),
        (CLOSED | {"Options": None}, None, {"network": GOOD, "isolation": BAD}),
    ],
)
def test_network_check_names_what_is_wrong_with_it(found, mtu, expected):
    assert verdicts(network.to_findings(found, [], mtu)) == expected


def test_network_check_counts_those_that_are_reconnected():
    rows = [connected("n1"), connected("n0"), connected(""), {}]
    texts = [finding.text for finding in network.to_findings(CLOSED, rows, None)]
    assert texts == ["the network lightd exists; 1 servers are reconnected to it at their next start"]


def test_engine_that_says_nothing_is_not_a_crash():
    assert verdicts(engine.to_findings({}, {}, NOW))["version"] is BAD


# ---- the panel


REMOTE = Remote(enabled=True, url="https://panel.example/api", token="lightd_0123456789abcdef")
WELL = Answer(200, {"date": "Thu, 28 May 2026 20:26:40 GMT"}, b'{"status": 200, "endpoint": "active"}')


def test_panel_that_is_well_is_all_green():
    assert verdicts(panel.to_findings(REMOTE, WELL, NOW)) == {"tls": GOOD, "url": GOOD, "clock": GOOD}


@pytest.mark.parametrize(
    ("change", "name", "verdict"),
    [
        ({"status": 401}, "token", BAD),
        ({"status": 403}, "token", BAD),
        ({"status": 302}, "url", BAD),
        ({"status": 500}, "url", BAD),
        ({"body": b"<html>"}, "url", BAD),
        ({"headers": {"date": "Thu, 28 May 2026 20:25:40 GMT"}}, "clock", BAD),
        ({"headers": {"date": "Thu, 28 May 2026 20:27:40 GMT"}}, "clock", BAD),
    ],
)
def test_panel_check_names_what_is_wrong(change, name, verdict):
    assert verdicts(panel.to_findings(REMOTE, attrs.evolve(WELL, **change), NOW))[name] is verdict


@pytest.mark.parametrize("headers", [{}, {"date": "yesterday"}])
def test_panel_without_a_date_is_not_compared(headers):
    assert "clock" not in verdicts(panel.to_findings(REMOTE, attrs.evolve(WELL, headers=headers), NOW))


def test_token_in_the_clear_is_doubtful_but_for_this_machine():
    far = attrs.evolve(REMOTE, url="http://panel.example")
    near = attrs.evolve(REMOTE, url="http://127.0.0.1:9000")
    assert verdicts(panel.to_findings(far, WELL, NOW))["tls"] is DOUBTFUL
    assert "tls" not in verdicts(panel.to_findings(near, WELL, NOW))


def test_certificate_that_is_not_trusted_is_told_as_one():
    assert panel.to_unreachable(REMOTE, "[SSL: CERTIFICATE_VERIFY_FAILED] self-signed").name == "tls"
    assert panel.to_unreachable(REMOTE, "connection refused").name == "url"


# ---- clock and limits


@pytest.mark.parametrize(
    ("now", "bits", "expected"),
    [
        (NOW, 0, {"synchronised": GOOD}),
        (NOW, 0x40, {"synchronised": DOUBTFUL}),
        (NOW, None, {"synchronised": UNSEEN}),
        (0.0, 0, {"year": BAD, "synchronised": GOOD}),
        (NOW + 3e9, 0, {"year": BAD, "synchronised": GOOD}),
    ],
)
def test_clock_findings_have_their_verdict(now, bits, expected):
    assert verdicts(clock.to_findings(now, bits)) == expected


@pytest.mark.parametrize(
    ("files", "verdict"), [(100, BAD), (1023, BAD), (4096, DOUBTFUL), (8192, GOOD), (-1, GOOD)]
)
def test_open_files_limit_has_its_verdict(files, verdict):
    assert verdicts(limits.to_files(files, "lightd may")) == {"files": verdict}


@pytest.mark.parametrize(("value", "verdict"), [(None, UNSEEN), (10, DOUBTFUL), (10**6, GOOD)])
def test_settings_of_the_kernel(value, verdict):
    assert set(verdicts(limits.to_kernel(dict.fromkeys(limits.KERNEL, value))).values()) == {verdict}


@pytest.mark.parametrize(
    ("tasks", "most", "expected"),
    [
        (10, 100, {"pids": GOOD}),
        (75, 100, {"pids": DOUBTFUL}),
        (95, 100, {"pids": BAD}),
        (None, 100, {}),
        (10, None, {}),
    ],
)
def test_processes(tasks, most, expected):
    assert verdicts(limits.to_tasks(tasks, most)) == expected


# ---- storage


FOLDER = Folder("storage.base_path", Path("/s"), Path("/s"), 0, stat.S_IFDIR | 0o711, writable=True)


@pytest.mark.parametrize(
    ("change", "uid", "verdict"),
    [
        ({}, 0, GOOD),
        ({"mode": stat.S_IFREG | 0o644}, 0, BAD),
        ({"mode": stat.S_IFDIR | 0o777}, 0, BAD),
        ({"private": True}, 0, DOUBTFUL),
        ({"private": True, "mode": stat.S_IFDIR | 0o700}, 0, GOOD),
        ({"path": Path("/s/t")}, 0, GOOD),
        ({"path": Path("/s/t"), "writable": False}, 1000, BAD),
        ({"path": Path("/s/t"), "writable": False, "begun": True}, 1000, UNSEEN),
        ({"writable": False}, 1000, UNSEEN),
        ({"writable": False, "uid": 1000}, 1000, BAD),
    ],
)
def test_folder_rights_have_their_verdict(change, uid, verdict):
    assert verdicts(storage.to_rights(attrs.evolve(FOLDER, **change), uid)) == {"storage.base_path": verdict}


@pytest.mark.parametrize(
    ("free", "free_inodes", "expected"),
    [
        (50 << 30, 900, {"space": GOOD}),
        (5 << 30, 900, {"space": DOUBTFUL}),
        (5 << 20, 900, {"space": BAD}),
        (50 << 30, 50, {"space": GOOD, "inodes": DOUBTFUL}),
        (50 << 30, 5, {"space": GOOD, "inodes": BAD}),
    ],
)
def test_room(free, free_inodes, expected):
    assert verdicts(storage.to_room(Room("/s", 100 << 30, free, 1000, free_inodes))) == expected


def test_filesystem_without_inodes_has_no_lack_of_them():
    assert verdicts(storage.to_room(Room("/s", 100 << 30, 50 << 30, 0, 0))) == {"space": GOOD}


SOUND = Inspected(schema=3, newest_schema=3, records=7, last_at=NOW - 5, damage=None, complete=True)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, {"journal": GOOD}),
        ({"complete": False}, {"journal": GOOD}),
        ({"last_at": None}, {"journal": GOOD}),
        ({"damage": "row 3 missing"}, {"journal": BAD}),
        ({"schema": 4}, {"journal": BAD}),
        ({"last_at": NOW + 3600}, {"journal": GOOD, "clock": BAD}),
    ],
)
def test_journal_findings_have_their_verdict(change, expected):
    found = list(storage.to_journal(Path("/s/lightd.db"), attrs.evolve(SOUND, **change), 17, NOW))
    assert verdicts(found) == expected


@pytest.mark.parametrize(
    ("quota", "settings", "verdict"),
    [
        ("auto", {"kind": "btrfs"}, GOOD),
        ("auto", {"kind": None}, DOUBTFUL),
        ("auto", {"kind": "btrfs", "root": False}, DOUBTFUL),
        ("auto", {"kind": "btrfs", "pooled": True, "mounted": True}, GOOD),
        ("auto", {"kind": None, "pooled": True}, DOUBTFUL),
        ("accounted", {"kind": None}, GOOD),
        ("pool", {"kind": None}, GOOD),
    ],
)
def test_quota_that_would_be_chosen_has_its_verdict(quota, settings, verdict):
    settings = {"root": True, "pooled": False, "mounted": False, "reasons": ("btrfs: none",), **settings}
    assert verdicts([storage.to_quota(Storage(quota=quota, pool_mb=500), **settings)]) == {"quota": verdict}


# ---- ports


def a_row(local, state, inode, remote="0100007F:D431"):
    return (
        f"   0: {local} {remote} {state} 00000000:00000000 00:00000000 00000000     0        0 {inode} 1 0\n"
    )


HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
TCP = HEAD + a_row("0100007F:1F86", "0A", 21530) + a_row("0100007F:1F86", "01", 21600)
TCP6 = (
    a_row(f"{'0' * 32}:63DD", "0A", 41)
    + a_row("0000000000000000FFFF00000100007F:0050", "0A", 42)
    + a_row("B80D0120000000000000000001000000:0051", "0A", 43)
)
UDP = a_row("00000000:0035", "07", 51) + a_row("0100007F:0036", "01", 52)


def test_tables_of_the_kernel_tell_who_listens():
    assert list(listeners.to_listeners(TCP, "tcp")) == [Listener("127.0.0.1", 8070, "tcp", 21530)]
    assert [(each.ip, each.port, each.inode) for each in listeners.to_listeners(TCP6, "tcp")] == [
        ("::", 25565, 41),
        ("127.0.0.1", 80, 42),
        ("2001:db8::1", 81, 43),
    ]
    assert list(listeners.to_listeners(UDP, "udp")) == [Listener("0.0.0.0", 53, "udp", 51)]


@pytest.mark.parametrize(
    ("pooled", "verdict"),
    [
        (Pooled("0.0.0.0", 25565, "tcp", in_use=False), BAD),
        (Pooled("127.0.0.1", 8070, "tcp", in_use=False), BAD),
        (Pooled("0.0.0.0", 25565, "tcp", in_use=True), GOOD),
        (Pooled("0.0.0.0", 25565, "udp", in_use=False), GOOD),
        (Pooled("10.0.0.1", 8070, "tcp", in_use=False), GOOD),
        (Pooled("0.0.0.0", 25566, "tcp", in_use=False), GOOD),
    ],
)
def test_free_port_that_somebody_has_is_red(pooled, verdict):
    found = [Listener("::", 25565, "tcp", 1), Listener("127.0.0.1", 8070, "tcp", 2)]
    assert verdicts([ports.to_pool([pooled], found)]) == {"pool": verdict}


def test_port_of_the_other_family_that_a_server_has_is_not_another_programs():
    pool = [Pooled("0.0.0.0", 25565, "tcp", in_use=False), Pooled("::", 25565, "tcp", in_use=True)]
    assert verdicts([ports.to_pool(pool, [Listener("::", 25565, "tcp", 1)])]) == {"pool": GOOD}
    assert verdicts([ports.to_pool(pool[:1], [Listener("::", 25565, "tcp", 1)])]) == {"pool": BAD}


def test_port_check_names_owners_and_cuts_a_long_list():
    pool = [Pooled("0.0.0.0", number, "tcp", in_use=False) for number in range(10)]
    found = [Listener("0.0.0.0", number, "tcp", number) for number in range(10)]
    text = ports.to_pool(pool, found, lambda inodes: f"nginx ({inodes[0]})").text
    assert "0.0.0.0:0/tcp by nginx (0)" in text
    assert text.endswith("and 5 more")


def test_port_that_another_program_has_is_named_as_ports_rm_takes_it():
    pool = [ports.Pooled("::1", 25565, "udp", in_use=False)]
    found = ports.to_pool(pool, [Listener("::1", 25565, "udp", 1)])
    assert "[::1]:25565/udp" in found.text
    assert found.mend.startswith("lightd ports rm ")
    assert settings.to_ports("[::1]:25565/udp")[0]["ip"] == "::1"


# ---- software


@pytest.mark.parametrize(
    ("told", "verdict"), [("3.11.2", GOOD), ("3.13.0", GOOD), ("3.10.9", BAD), ("3.14.0rc1", BAD)]
)
def test_python_version_has_its_verdict(told, verdict):
    assert verdicts([software.to_python(told)]) == {"python": verdict}


@pytest.mark.parametrize(
    ("version", "expected"),
    [("0.18.0", {"libraries": GOOD}), ("0.17.3", {"hypercorn": BAD}), (None, {"hypercorn": BAD})],
)
def test_pinned_library_version_has_its_verdict(version, expected):
    wanted = ["hypercorn==0.18.*", "pytest>=9; extra == 'dev'", "zstd>=1; python_version < '3.0'"]
    assert verdicts(software.to_libraries(wanted, lambda _: version)) == expected


def test_daemon_that_does_not_load_is_red():
    assert list(software.load("lightd.config.version")) == []
    assert verdicts(software.load("lightd.no_such_module")) == {"daemon": BAD}


# ---- the report


AREA = Area("engine")
FINDINGS = [AREA.good("a", "fine"), AREA.doubtful("b", "so so", "do this"), AREA.unseen("c", "dark")]
RED = AREA.bad("d", "bro\x1bken", "key")


def test_only_red_is_a_failure():
    assert report.to_code(FINDINGS) == 0
    assert report.to_code([*FINDINGS, RED]) == 1


def test_finding_is_a_line_with_what_mends_it():
    lines = report.to_lines([*FINDINGS, RED], colours=False)
    assert lines == [
        "ok       engine         fine",
        "warning  engine         so so  -> do this",
        "unseen   engine         dark",
        "bad      engine         bro\\x1bken  -> key",
        "1 green, 1 yellow, 1 red, 1 not checked",
    ]


def test_colours_are_of_the_verdict_alone():
    (line, _) = report.to_lines([RED], colours=True)
    assert line == f"\x1b[31mbad    {screen.RESET}  engine         bro\\x1bken  -> key"


def test_script_gets_the_same():
    said = report.to_json([RED])
    assert said["healthy"] is False
    assert said["counts"] == {"ok": 0, "warning": 0, "bad": 1, "unseen": 0}
    assert said["findings"] == [
        {"area": "engine", "name": "d", "verdict": "bad", "text": "bro\x1bken", "mend": "key"}
    ]
