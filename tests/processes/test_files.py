"""What is on the disk of a machine without Docker: tapes, and the kernel's control groups."""

import os
from pathlib import Path

import pytest

from actors.container.engine import EngineRefused, Logged
from actors.container.spec import Limits
from lightd.engines.process import backlog, groups, output_log
from lightd.engines.process import host as host_module
from lightd.engines.process.output_log import OutputLog
from lightd.files.jail import Owner


def lines(path, since=0.0, ended=False):
    return [logged.line for logged in backlog.read(path, since, ended=ended).lines]


@pytest.fixture
def output_path(tmp_path):
    return tmp_path / "log"


def test_line_is_there_once_it_is_whole_or_its_process_has_ended(output_path):
    tape = OutputLog(str(output_path))
    tape.write(b"one\ntwo\nthr")
    assert lines(output_path) == [b"one", b"two"]
    assert lines(output_path, ended=True) == [b"one", b"two", b"thr"]
    tape.write(b"ee\n")
    assert lines(output_path) == [b"one", b"two", b"three"]


def test_unfinished_line_without_any_before_it_is_there_at_the_end(output_path):
    OutputLog(str(output_path)).write(b"> ")
    assert backlog.read(output_path, 0.0, ended=True).lines == [Logged(0.0, b"> ")]


def test_line_that_a_killed_supervisor_left_open_is_ended_by_the_next(output_path):
    OutputLog(str(output_path)).write(b"half")
    OutputLog(str(output_path)).write(b"new\n")
    assert lines(output_path) == [b"half", b"new"]


def test_tape_that_is_not_there_has_no_lines(output_path):
    assert lines(output_path) == []


def test_bytes_of_a_program_that_look_like_ours_stay_its_own(output_path):
    OutputLog(str(output_path)).write(b"a\x001.5\nb\x00\n\x00\x00\n")
    assert lines(output_path) == [b"a\x001.5", b"b\x00", b"\x00\x00"]


def test_two_files_take_turns_and_are_read_as_one(output_path, monkeypatch):
    monkeypatch.setattr(output_log, "BOUND", 100)
    writing = OutputLog(str(output_path))
    for number in range(12):
        writing.write(b"line %d\n" % number)
    found = lines(output_path)
    assert found == [b"line %d" % number for number in range(12)][-len(found) :]
    assert len(found) > 4
    assert output_path.with_name("log.1").exists()


def test_file_that_takes_its_turn_while_it_is_read_is_not_read_twice(output_path, monkeypatch):
    OutputLog(str(output_path)).write(b"one\n")
    opened, real = [], backlog._open

    def turned(at, stack):
        opened.append(at.name)
        if len(opened) == 2:
            output_path.rename(output_path.with_name("log.1"))
            OutputLog(str(output_path)).write(b"two\n")
        return real(at, stack)

    monkeypatch.setattr(backlog, "_open", turned)
    assert lines(output_path) == [b"one", b"two"]
    assert opened == ["log", "log.1"] * 2


def test_full_disk_costs_lines_and_tears_one(output_path, monkeypatch):
    writing, write = OutputLog(str(output_path)), os.write
    writing.write(b"one\n")
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:5]))
    writing.write(b"torn and long\n")

    def full(_file, _data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    writing.write(b"lost\n")
    monkeypatch.setattr(os, "write", write)
    writing.write(b"two\n")
    assert lines(output_path) == [b"one", b"two"]


def test_times_of_a_tape_never_go_back(output_path, monkeypatch):
    times = iter([5.0, 3.0])
    monkeypatch.setattr(output_log.time, "time", lambda: next(times))
    writing = OutputLog(str(output_path))
    writing.write(b"one\n")
    writing.write(b"two\n")
    assert [logged.at for logged in backlog.read(output_path, 4.0, ended=False).lines] == [5.0, 5.0]


# ---- control groups


class Kernel:
    """A folder that looks like the kernel's files, as far as anybody here reads them."""

    def __init__(self, root: Path):
        self.root = root
        self.mounted = root / "sys/fs/cgroup"
        self.mounted.mkdir(parents=True)
        (root / "proc/self").mkdir(parents=True)

    def own(self, text):
        (self.root / "proc/self/cgroup").write_text(text)


@pytest.fixture
def kernel(tmp_path):
    return Kernel(tmp_path)


def test_version_2_holds_what_its_controllers_are_handed_on_for(kernel):
    kernel.own("0::/service\n")
    (kernel.mounted / "cgroup.controllers").write_text("cpu memory pids")
    (kernel.mounted / "service").mkdir()
    found = groups.find("n1", kernel.root)
    top = found.tops[""]
    assert top == kernel.mounted / ("lightd/n1" if os.geteuid() == 0 else "service/lightd/n1")
    assert (top / "cgroup.subtree_control").read_text().startswith("+")
    (top / "cgroup.subtree_control").write_text("cpu memory pids")
    held = groups.Groups({"": top}, frozenset(groups.NEEDED))
    (made,) = held.make("a-1", Limits(memory=1000, cpu=1.5, pids=7))
    assert Path(made) == top / "a-1"
    assert (top / "a-1/memory.max").read_text() == "1000"
    assert (top / "a-1/cpu.max").read_text() == "150000 100000"
    assert (top / "a-1/pids.max").read_text() == "7"
    assert not (top / "a-1/memory.swap.max").exists()


def test_version_1_has_a_group_in_each_hierarchy_beneath_our_own(kernel):
    kernel.own("2:memory:/ours\n1:cpu:/\n")
    for name in ("memory/ours", "cpu", "pids", "freezer"):
        (kernel.mounted / name).mkdir(parents=True)
    (kernel.mounted / "pids/lightd").touch()  # where no folder can be made
    found = groups.find("n1", kernel.root)
    assert found.tops["memory"] == kernel.mounted / "memory/ours/lightd/n1"
    assert "pids" not in found.tops
    assert found.held == {"memory", "cpu"}
    assert len(found.make("a-1", Limits(cpu=0.5, pids=3))) == len(found.tops)
    assert (found.tops["cpu"] / "a-1/cpu.cfs_quota_us").read_text() == "50000"


def test_neither_ceiling_of_memory_passes_the_other_on_its_way(kernel, monkeypatch):
    group = kernel.mounted / "memory/n1/a-1"
    group.mkdir(parents=True)
    found = groups.Groups({"memory": group.parent}, frozenset({"memory"}))
    order, write = [], groups._write
    monkeypatch.setattr(groups, "_write", lambda path, word: order.append(path.name) or write(path, word))
    for name in ("memory.memsw.limit_in_bytes", "memory.limit_in_bytes"):
        (group / name).write_text("500")
    found.limit("a-1", Limits(memory=900))
    found.limit("a-1", Limits(memory=300))
    assert [name.removesuffix(".limit_in_bytes") for name in order] == [
        *("memory.memsw", "memory"),
        *("memory", "memory.memsw"),
    ]


def test_ceiling_that_is_used_up_already_is_refused(kernel, monkeypatch):
    found = groups.Groups({"pids": kernel.mounted}, frozenset({"pids"}))
    for number, words in ((16, "more memory is in use"), (22, "Invalid argument")):

        def refuse(_path, _word, number=number):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(groups, "_write", refuse)
        with pytest.raises(EngineRefused, match=f"The limit of pids cannot be set: {words}"):
            found.limit("a-1", Limits(pids=3))


def test_no_group_is_made_where_the_kernel_shows_none(kernel):
    assert groups.find("n1", kernel.root).tops == {}
    (kernel.mounted / "cgroup.controllers").touch()
    kernel.own("0::/gone\n")
    (kernel.mounted / "lightd").touch()
    (kernel.mounted / "gone").touch()
    assert groups.find("n1", kernel.root) == groups.Groups({}, frozenset())


def test_groups_that_nobody_is_in_are_left_to_nobody(kernel):
    kernel.own("1:freezer:/\n")
    (kernel.mounted / "freezer").mkdir()
    found = groups.find("n1", kernel.root)
    found.make("a-1", Limits())
    found.make("b-1", Limits())
    found.sweep("a")
    found.leave()
    assert [path.name for path in found.tops["freezer"].iterdir()] == ["b-1"]
    found.sweep("b")
    found.leave()
    assert list((kernel.mounted / "freezer").iterdir()) == []


# ---- what is said at the start


@pytest.mark.parametrize("setting", ["0", "1", None])
def test_root_is_warned_where_links_would_give_files_away(tmp_path, monkeypatch, caplog, setting):
    at = tmp_path / "protected_hardlinks"
    if setting is not None:
        at.write_text(f"{setting}\n")
    monkeypatch.setattr(host_module, "HARD_LINKS", at)
    host_module._warn(groups.Groups({}, frozenset()), None)
    assert ("protected_hardlinks is 0" in caplog.text) is (setting == "0")
    assert "limits of cpu, memory, pids are not enforced" in caplog.text


def test_process_engine_without_root_warns_which_user_programs_run_as(caplog):
    host_module._warn(groups.Groups({}, groups.NEEDED), Owner(7, 8))
    assert "every program runs as 7:8" in caplog.text
    assert "are not enforced" not in caplog.text
