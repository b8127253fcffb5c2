import pytest

from lightd.engines.host import cgroups

ID = "0123456789abcdef"
NET = """Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:    1000      10    0    0    0     0          0         0     1000      10    0    0    0     0       0          0
  eth0:    2000       7    0    0    0     0          0         0      300       3    0    0    0     0       0          0
  eth1:5       7    0    0    0     0          0         0      6       3    0    0    0     0       0          0
"""  # noqa: E501 - as the kernel writes it


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def machine(tmp_path):
    write(tmp_path, {"proc/meminfo": "MemTotal:        2000 kB\nMemFree: 1 kB\nHugePages_Total: 0\n"})
    write(tmp_path, {"proc/7/net/dev": NET})
    return tmp_path


@pytest.fixture
def version_1(machine):
    group = f"docker/{ID}"
    write(
        machine,
        {
            "proc/7/cgroup": (
                f"5:cpuacct,cpu:/{group}\n4:memory:/{group}\n3:pids:/{group}\n2:blkio:/{group}\n0::/\n"
            ),
            f"sys/fs/cgroup/cpuacct/{group}/cpuacct.usage": "2500000000\n",
            f"sys/fs/cgroup/memory/{group}/memory.usage_in_bytes": "1000000\n",
            f"sys/fs/cgroup/memory/{group}/memory.limit_in_bytes": "9223372036854771712\n",
            f"sys/fs/cgroup/memory/{group}/memory.stat": "inactive_file 1\ntotal_inactive_file 400000\n",
            f"sys/fs/cgroup/pids/{group}/pids.current": "5\n",
            f"sys/fs/cgroup/blkio/{group}/blkio.throttle.io_service_bytes": (
                "8:0 Read 10\n8:0 Write 20\n8:0 Sync 30\n8:16 Read 1\n8:16 Write 2\nTotal 33\n"
            ),
        },
    )
    return machine


@pytest.fixture
def version_2(machine):
    group = f"system.slice/docker-{ID}.scope"
    write(
        machine,
        {
            "proc/7/cgroup": f"0::/{group}\n",
            f"sys/fs/cgroup/{group}/cpu.stat": "usage_usec 2500000\nuser_usec 1\n",
            f"sys/fs/cgroup/{group}/memory.current": "1000000\n",
            f"sys/fs/cgroup/{group}/memory.max": "500000\n",
            f"sys/fs/cgroup/{group}/memory.stat": "anon 7\ninactive_file 400000\n",
            f"sys/fs/cgroup/{group}/pids.current": "5\n",
            f"sys/fs/cgroup/{group}/io.stat": (
                "8:0 rbytes=10 wbytes=20 rios=1 wios=1 dbytes=0 dios=0\n8:16 rbytes=1 wbytes=2\n"
            ),
        },
    )
    return machine


def numbers(sample):
    return (
        sample.cpu_time,
        sample.memory_usage,
        sample.memory_limit,
        sample.network_rx,
        sample.network_tx,
        sample.block_read,
        sample.block_write,
        sample.pids,
    )


def test_cgroup_version_1_is_read(version_1):
    samples = cgroups.read_samples({ID: 7}, version_1)
    assert numbers(samples[ID]) == (2.5, 600_000, 2_048_000, 2005, 306, 11, 22, 5)


def test_cgroup_version_2_is_read(version_2):
    samples = cgroups.read_samples({ID: 7}, version_2)
    assert numbers(samples[ID]) == (2.5, 600_000, 500_000, 2005, 306, 11, 22, 5)


def test_no_limit_of_version_2_is_the_hosts_memory(version_2):
    write(version_2, {f"sys/fs/cgroup/system.slice/docker-{ID}.scope/memory.max": "max\n"})
    assert cgroups.read_samples({ID: 7}, version_2)[ID].memory_limit == 2_048_000


def test_pid_that_is_somebody_elses_by_now_is_left_out(version_2):
    assert cgroups.read_samples({"another": 7, ID: 8}, version_2) == {}


@pytest.mark.parametrize("missing", ["io.stat", "pids.current", "cpu.stat"])
def test_host_without_some_counters_has_the_others(version_2, missing):
    (version_2 / f"sys/fs/cgroup/system.slice/docker-{ID}.scope/{missing}").unlink()
    samples = cgroups.read_samples({ID: 7}, version_2)
    if missing == "io.stat":
        assert samples[ID].block_read == samples[ID].block_write == 0
    elif missing == "pids.current":
        assert samples[ID].pids is None
        assert samples[ID].block_read == 11
    else:
        assert samples == {}


def test_garbage_is_left_out(version_1):
    write(version_1, {"proc/7/net/dev": "one\ntwo\n eth0: what\n"})
    assert cgroups.read_samples({ID: 7}, version_1) == {}


def test_threads_are_those_of_the_containers_cgroup(version_1, version_2):
    group = f"docker/{ID}"
    write(version_1, {"proc/7/cgroup": f"5:freezer:/{group}\n4:memory:/{group}\n"})
    write(version_1, {f"sys/fs/cgroup/memory/{group}/tasks": "7\n8\n"})
    assert cgroups.read_threads(ID, 7, version_1) == [7, 8]
    group = f"system.slice/docker-{ID}.scope"
    write(version_2, {"proc/7/cgroup": f"0::/{group}\n"})
    assert cgroups.read_threads(ID, 7, version_2) == []
    write(version_2, {f"sys/fs/cgroup/{group}/cgroup.threads": "7\n9\n"})
    assert cgroups.read_threads(ID, 7, version_2) == [7, 9]
    for other in (("another", 7), (ID, 8)):
        assert cgroups.read_threads(*other, version_2) == []
