"""Facts about the host, read from files as the kernel writes them."""

from lightd.engines.host import facts


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_facts_are_those_of_the_files(tmp_path):
    write(
        tmp_path,
        {
            "proc/meminfo": "MemTotal:        2000 kB\nMemFree: 1 kB\nMemAvailable: 500 kB\n",
            "proc/uptime": "912345.67 1800000.00\n",
            "proc/loadavg": "0.42 0.37 0.31 1/123 4567\n",
            "proc/self/statm": "1000 10 5 1 0 100 0\n",
            "etc/os-release": 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
        },
    )
    found = facts.read({"here": tmp_path, "nowhere": tmp_path / "none"}, tmp_path)
    assert (found.memory_total, found.memory_available) == (2_048_000, 512_000)
    assert (found.uptime, found.load) == (912345.67, (0.42, 0.37, 0.31))
    assert found.resident % 10 == 0
    assert found.os == "Debian GNU/Linux 12 (bookworm)"
    assert found.disks["here"].total > 0
    assert found.disks["nowhere"] is None


def test_name_of_the_system_can_be_missing(tmp_path):
    assert facts.read_os_name(tmp_path) == "Linux"
    write(tmp_path, {"usr/lib/os-release": "ID=x\n"})
    assert facts.read_os_name(tmp_path) == "Linux"
    write(tmp_path, {"etc/os-release": "PRETTY_NAME=Alpine Linux v3.20\n"})
    assert facts.read_os_name(tmp_path) == "Alpine Linux v3.20"
