"""What people are shown of ages, sizes, ports, states and events; what their options mean."""

import argparse
import json
from pathlib import Path

import pytest

from lightd.api.events import PUBLIC
from lightd.cli.commands import cells, filters, formats, ports, ps, sentences, settings, stats, tables, values
from lightd.cli.commands.tables import Cell

GOLDEN = Path(__file__).parents[1] / "golden" / "public"
NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "Less than a second"),
        (0.9, "Less than a second"),
        (1.9, "1 second"),
        (59.9, "59 seconds"),
        (60, "About a minute"),
        (119, "About a minute"),
        (120, "2 minutes"),
        (3599, "59 minutes"),
        (3600, "About an hour"),
        (5400, "2 hours"),
        (47 * 3600, "47 hours"),
        (48 * 3600, "2 days"),
        (13 * 86400, "13 days"),
        (14 * 86400, "2 weeks"),
        (59 * 86400, "8 weeks"),
        (60 * 86400, "2 months"),
        (729 * 86400, "24 months"),
        (730 * 86400, "2 years"),
    ],
)
def test_age_has_the_form_of_docker(seconds, shown):
    assert formats.to_age(seconds) == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0B"),
        (1023, "1023B"),
        (1024, "1KiB"),
        (1536, "1.5KiB"),
        (128 * 2**20, "128MiB"),
        (2**70, "1024EiB"),
    ],
)
def test_size_is_binary(count, shown):
    assert formats.to_size(count) == shown


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0", 0),
        ("512", 512),
        ("512M", 2**29),
        ("2g", 2**31),
        ("1.5GiB", 3 * 2**29),
        ("10 kB", 10240),
        ("1b", 1),
    ],
)
def test_size_of_an_option_is_read_as_docker_reads_it(text, count):
    assert formats.from_size(text) == count


@pytest.mark.parametrize("text", ["", "M", "-1M", "1X", "2G2", "٣M", "1e3"])
def test_size_that_is_none_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 - the parser writes the sentence
        formats.from_size(text)


def port(number, inside=None, *, ip="0.0.0.0", protocol="tcp"):
    return {"ip": ip, "port": number, "container_port": inside or number, "protocol": protocol}


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        ([], ""),
        ([port(80, 8080)], "0.0.0.0:80->8080/tcp"),
        ([port(n) for n in range(25565, 25585)], "0.0.0.0:25565-25584->25565-25584/tcp"),
        ([port(2), port(1), port(4)], "0.0.0.0:1-2->1-2/tcp, 0.0.0.0:4->4/tcp"),
        ([port(1, 5), port(2, 7)], "0.0.0.0:1->5/tcp, 0.0.0.0:2->7/tcp"),
        ([port(1), port(2, protocol="udp")], "0.0.0.0:1->1/tcp, 0.0.0.0:2->2/udp"),
        ([port(1, 2, ip="::1")], "[::1]:1->2/tcp"),
    ],
)
def test_ports_in_a_row_are_one_range(found, shown):
    assert formats.to_ports(found) == shown


def test_ports_of_the_pool_in_a_row_with_the_same_user_are_one_range():
    pool = [{**port(n), "in_use": n < 3, "used_by": "s1" if n < 3 else None} for n in range(1, 6)]
    pool.append({**port(9, protocol="udp"), "in_use": True, "used_by": None})
    assert ports.to_rows(pool) == [
        ("0.0.0.0:1-2/tcp", "s1"),
        ("0.0.0.0:3-5/tcp", "-"),
        ("0.0.0.0:9/udp", "in use"),
    ]


def row(**fields):
    base = {"internal_id": "s1", "image": "game:1", "ports": [], "state": "offline", "install_state": "ready"}
    return {**base, **fields}


def ended(code=137, *, crashed=True, oom=False, at=NOW - 180):
    return {"code": code, "crashed": crashed, "oom_killed": oom, "at": at}


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        (row(), "offline"),
        (row(exit=ended()), "crashed (137) 3 minutes ago"),
        (row(exit=ended(oom=True)), "crashed (137, out of memory) 3 minutes ago"),
        (row(exit=ended(None, at=None)), "crashed"),
        (row(exit=ended(0, crashed=False)), "exited (0) 3 minutes ago"),
        (row(exit=ended(0)), "exited (0) 3 minutes ago"),
        (row(exit=ended(143, crashed=False)), "exited (143) 3 minutes ago"),
        (row(state="running", exit=ended(), started_at=NOW - 120), "running 2 minutes"),
        (row(state="starting", started_at=NOW), "starting less than a second"),
        (row(state="starting"), "starting"),
        (row(state="stopping", started_at=NOW), "stopping"),
        (row(install_state="failed", exit=ended()), "failed"),
        (row(quarantined=True, state="running"), "quarantined"),
    ],
)
def test_status_says_what_matters_most_and_since_when(found, shown):
    assert formats.to_status(found, NOW) == shown


def test_display_name_is_the_last_column():
    assert ps.to_cells(row(display_name="My\x1b server"), NOW, named=True)[-1].text == "My\\x1b server"
    assert ps.to_cells(row(), NOW, named=True)[-1].text == "-"


MEASURED = {
    "cpu_usage": 12.345,
    "memory_usage": 2**29,
    "memory_limit": 2**30,
    "network_rx": 1024,
    "network_tx": 0,
    "block_read": 0,
    "block_write": 1,
    "uptime": 125,
    "pids": 34,
}
NODE = {
    "node": "n1",
    "version": "1.2",
    "engine": {"available": True},
    "host": {"load": [0.5, 1, 2], "cpus": 2, "memory": {"total": 2**30, "available": 2**29}},
    "containers": {"running": 1, "total": 2},
}


def test_statistics_of_a_container_have_the_form_of_docker():
    shown = [
        cell.text for cell in stats.to_cells({"internal_id": "s1", "state": "running", "current": MEASURED})
    ]
    used = ["12.3%", "512MiB / 1GiB", "50.0%", "1KiB / 0B", "0B / 1B", "34"]
    assert shown == ["s1", *used, "running 2 minutes"]
    unmeasured = {"internal_id": "s1", "state": "offline", "current": None}
    assert [cell.text for cell in stats.to_cells(unmeasured)] == ["s1", *"------", "offline"]
    without = {**MEASURED, "pids": None, "memory_limit": 0}
    shown = stats.to_cells({"internal_id": "s1", "state": "running", "current": without})
    assert [shown[3].text, shown[6].text] == ["-", "-"]


def test_summary_of_the_node_leaves_out_what_is_not_known():
    told = "n1, lightd 1.2; load 0.50 1.00 2.00 on 2 cores; memory 512MiB of 1GiB; 1 of 2 containers running"
    assert stats.to_summary(NODE) == told
    blind = {**NODE, "host": None, "engine": {"available": False}}
    assert stats.to_summary(blind) == "n1, lightd 1.2; 1 of 2 containers running; the engine does not answer"


def test_page_is_drawn_from_the_top_and_has_as_many_lines_as_the_terminal():
    assert stats.to_page("abcdef\nb\nc\n", 3) == "\x1b[Habcdef\x1b[K\r\nb\x1b[K\r\n\x1b[J"


def test_cell_of_a_crash_is_red():
    (cell,) = [cell for cell in ps.to_cells(row(exit=ended()), NOW) if "crashed" in cell.text]
    assert cell.style == "red"


# ---- filters


LABELLED = row(
    labels={"game": "mc", "tier": "free"}, display_name="My server", exit=ended(), ports=[port(25565)]
)


@pytest.mark.parametrize(
    "wanted",
    [
        [],
        ["id=s"],
        ["name=server"],
        ["image=game"],
        ["image=game:1"],
        ["status=crashed"],
        ["status=offline"],
        ["status=running", "status=crashed"],
        ["exited=137"],
        ["port=25565"],
        ["label=game"],
        ["label=game=mc", "label=tier"],
    ],
)
def test_filter_keeps_what_matches(wanted):
    assert filters.matches(LABELLED, [filters.parse(each) for each in wanted])


@pytest.mark.parametrize(
    "wanted",
    [
        ["id=t"],
        ["image=gam"],
        ["status=running"],
        ["status=crashed", "id=t"],
        ["label=game=x"],
        ["label=a", "label=game"],
    ],
)
def test_filter_leaves_out_what_does_not_match(wanted):
    assert not filters.matches(LABELLED, [filters.parse(each) for each in wanted])


@pytest.mark.parametrize("text", ["status", "colour=red", "=x"])
def test_filter_that_is_none_names_the_keys(text):
    with pytest.raises(ValueError, match="one of the keys id, name, image"):
        filters.parse(text)


# ---- tables


def test_table_is_as_wide_as_its_cells_in_columns_of_the_terminal():
    rows = [[Cell("世界"), Cell("x")], [Cell("e\u0301"), Cell("y")]]
    assert tables.render(("A", "B"), rows, width=None, colours=False) == "A     B\n世界  x\ne\u0301     y\n"


def test_table_that_is_too_wide_is_folded_at_words_and_loses_nothing():
    rows = [[Cell("a-long-name"), Cell("crashed (137) 3 minutes ago")]]
    shown = tables.render(("NAME", "STATUS"), rows, width=28, colours=False).splitlines()
    assert shown == ["NAME         STATUS", "a-long-name  crashed (137)", "             3 minutes ago"]


@pytest.mark.parametrize("width", range(1, 60))
def test_table_fits_every_width_that_has_room_for_its_columns(width):
    rows = [[Cell("世界" * 5), Cell("e\u0301f" * 9)]]
    shown = tables.render(("A", "B"), rows, width=width, colours=False).splitlines()
    if width >= 2 * tables.NARROW + tables.GAP:
        assert all(cells.width_of(line) <= width for line in shown)
        assert "".join("".join(shown[1:]).split()).count("世") == 5
    else:
        assert len(shown) == 2


def test_colours_of_a_table_end_with_their_cell():
    shown = tables.render(("A",), [[Cell("x", "bold red")]], width=None, colours=True)
    assert shown == "\x1b[1mA\x1b[0m\n\x1b[1;31mx\x1b[0m\n"


# ---- events


def test_every_type_of_event_has_a_sentence():
    assert {event.type for event in PUBLIC.values()} <= sentences.SENTENCES.keys()


def test_sentence_of_an_event_has_no_machine_words():
    lines = [line for path in GOLDEN.glob("*.json") for line in path.read_text().splitlines()]
    entries = [entry for entry in map(json.loads, lines) if entry and entry.keys() & {"type", "seq"}]
    assert len(entries) > 100
    for entry in entries:
        history = "type" in entry
        kind, data = (entry["type"], entry["data"]) if history else (entry["data"], entry)
        told = sentences.to_sentence(kind, data)
        assert not any(sign in told for sign in ("{", "None", "null", "\n")), told
        assert "-" not in kind or kind not in told


@pytest.mark.parametrize(
    ("kind", "data", "shown"),
    [
        ("exited", {"code": 0, "expected": True}, "the server exited with exit code 0"),
        (
            "exited",
            {"code": 137, "oom_killed": True, "expected": False},
            "the server crashed with exit code 137 (out of memory)",
        ),
        ("exit", {"code": None, "crashed": True}, "the server crashed"),
        ("exit", {"code": 1, "crashed": True, "child_oom_killed": True}, None),
        ("stop-requested", {"follow": "start"}, "a stop was requested; it starts again afterwards"),
        ("installation-failed", {"fault": "timeout", "reason": "a\nb"}, "the installation timed out: a b"),
        ("restart-scheduled", {"delay": 1.0}, "the server is started again in 1 second"),
        ("restart-scheduled", {"delay": 2.0}, "the server is started again in 2 seconds"),
        ("rebind-requested", {"ports": [port(1)]}, "a change of its ports was requested: 0.0.0.0:1->1/tcp"),
        ("of-a-newer-daemon", {"a": 1, "b": "x" * 500}, None),
    ],
)
def test_sentence_says_what_happened(kind, data, shown):
    told = sentences.to_sentence(kind, data)
    assert told == shown if shown else len(told) < 250


# ---- options of create and edit


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("25565", [port(25565)]),
        ("25565/udp", [port(25565, protocol="udp")]),
        ("80:8080", [port(80, 8080)]),
        ("127.0.0.1:80:8080/TCP", [port(80, 8080, ip="127.0.0.1")]),
        ("[::1]:80", [port(80, ip="::1")]),
        ("80-82:90-92", [port(80, 90), port(81, 91), port(82, 92)]),
        ("80-81", [port(80), port(81)]),
    ],
)
def test_port_option_is_read_as_docker_reads_it(text, expected):
    assert settings.to_ports(text) == expected


@pytest.mark.parametrize(
    "text", ["", "x", "0", "65536", "82-80", "80-81:90-92", "65535-65536", "1-65535", "80/sctp", "80:", ":80"]
)
def test_port_option_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match="must be"):
        settings.to_ports(text)


def test_port_with_a_name_is_that_of_a_variable():
    assert settings.to_named_ports("80") == [port(80)]
    assert settings.to_named_ports("QUERY_PORT=80:90/udp") == [
        {**port(80, 90, protocol="udp"), "name": "QUERY_PORT"}
    ]


@pytest.mark.parametrize("text", ["1A=80", "A=80-81", "=80", "A=x", "A=", "Ä=80"])
def test_port_whose_name_cannot_be_one_is_refused(text):
    with pytest.raises(ValueError, match="must be"):
        settings.to_named_ports(text)


def options(**given):
    names = (
        "label",
        "display_name",
        "image",
        "pull",
        "start_pattern",
        "start_text",
        "entrypoint",
        "memory",
        "cpus",
        "pids_limit",
        "env",
        "env_file",
        "restart",
    )
    stop = ("stop_signal", "stop_command", "stop_timeout")
    return argparse.Namespace(**{**dict.fromkeys((*names, *stop)), "startup": [], **given})


def test_options_become_the_fields_of_the_api():
    given = options(
        label=[("game", "mc")],
        display_name="My server",
        image="x",
        memory=2**30,
        cpus=1.5,
        env=[("A", "1")],
        restart="always",
        stop_signal="int",
        startup=["a b", "c"],
    )
    assert settings.to_fields(given, {}) == {
        "labels": {"game": "mc"},
        "display_name": "My server",
        "image": "x",
        "startup_command": "'a b' c",
        "limits": {"memory": 2**30, "cpu": 1.5},
        "environment": {"A": "1"},
        "restart_policy": {"mode": "always"},
        "stop": {"type": "signal", "value": "SIGINT"},
    }
    assert settings.to_fields(options(), {"limits": {"memory": 1}}) == {}


def test_options_of_an_edit_keep_what_they_do_not_name():
    before = {
        "limits": {"memory": 1, "cpu": None, "pids": 5},
        "environment": {"A": "1", "B": "2"},
        "stop": {"type": "signal", "value": "SIGTERM", "timeout": 10.0},
        "restart_policy": {"mode": "never", "max": 3, "within": 60.0},
    }
    given = options(memory=2, env=[("B", "3")], restart="always", stop_command="stop", stop_timeout=5.0)
    assert settings.to_fields(given, before) == {
        "limits": {"memory": 2, "pids": 5},
        "environment": {"A": "1", "B": "3"},
        "stop": {"type": "command", "value": "stop", "timeout": 5.0},
        "restart_policy": {"mode": "always", "max": 3, "within": 60.0},
    }


def test_single_word_of_a_command_is_a_command_of_a_shell():
    assert settings.to_command(["cd world && ./server"]) == "cd world && ./server"


def test_variables_of_a_file_are_overridden_by_options(tmp_path):
    path = tmp_path / "env"
    path.write_text("\ufeff# comment\nA=1\n\nB=two = 2\nbroken\n", encoding="utf-8")
    given = options(env_file=[values.text_of(str(path))], env=[("A", "3")])
    assert settings.to_environment(given) == {"A": "3", "B": "two = 2"}
    with pytest.raises(argparse.ArgumentTypeError, match=r"cannot read .*missing: No such file"):
        values.text_of(str(tmp_path / "missing"))
