import signal

import pytest

from lightd.engines.host import entrypoint
from lightd.engines.signals import DELIVERED

SIMPLE = [
    "java -jar server.jar",
    "./server --name 'my server' \"--motd=a; b\"",
    "server \\; --port=25565",
    "  server  ",
    '"$JAVA" -Xmx${MEMORY}M -jar server.jar',
    "exec ./server",
    'bash -c "while true; do echo Ready; sleep 1; done"',
    "./server # a comment",
]
COMPOUND = [
    "cd world && ./server",
    "./server; echo done",
    "A=1 ./server",
    "./server | tee log",
    "./server > log",
    "./server &",
    "(./server)",
    "while true; do ./server; done",
    "if true\nthen ./server\nfi",
    "one\ntwo",
    "echo $(date)",
    "`which java` -jar server.jar",
    "! ./server",
    "./server 'an open quote",
    "./server \\",
    "eval ./server",
    "",
    "# nothing",
]


def test_shell_outlives_every_stop_signal_that_would_end_it():
    """Those that do neither are left alone: a terminal that is resized sends SIGWINCH to the shell, too."""
    numbers = {
        int(word) for word in entrypoint.to_script("a; b", tty=False).split("'")[2].split("\n")[0].split()
    }
    ignored = {"SIGKILL", "SIGCONT", "SIGURG", "SIGWINCH"}
    assert numbers == {signal.Signals[name].value for name in set(DELIVERED) - ignored}


@pytest.mark.parametrize("command", SIMPLE)
def test_one_program_with_its_arguments_is_simple(command):
    assert entrypoint.is_simple(command)


@pytest.mark.parametrize("command", COMPOUND)
def test_command_that_needs_the_shell_is_compound(command):
    assert not entrypoint.is_simple(command)
    assert entrypoint.to_environment(command) == (entrypoint.GROUP_SIGNALS,)


@pytest.mark.parametrize(
    ("command", "shell"),
    [
        ('bash -c "a; b"', True),
        ("/bin/sh -ec 'a'", True),
        ("/usr/bin/bash -c $SCRIPT", True),
        ("bash -c 'a' name argument", False),
        ("bash script.sh", False),
        ("python -c 'print()'", False),
        ("cd / && bash -c 'a'", False),
    ],
)
def test_shell_with_its_text_is_recognised(command, shell):
    assert entrypoint.is_shell(command) is shell


@pytest.mark.parametrize("command", ["java -jar server.jar", " java -jar server.jar "])
def test_simple_command_replaces_the_shell(command):
    assert entrypoint.to_script(command, tty=False).splitlines()[-1] == "exec java -jar server.jar"
    assert entrypoint.to_environment(command) == ()


def test_command_that_is_execed_is_not_execed_twice():
    assert entrypoint.to_script("exec ./server", tty=False).splitlines()[-1] == "exec ./server"


def test_errors_without_a_terminal_stand_where_they_happened():
    assert "exec 2>&1" in entrypoint.to_script("./server", tty=False).splitlines()
    assert "exec 2>&1" in entrypoint.to_installer_script("", "1:1").splitlines()


def test_terminal_has_its_size_before_the_program_looks():
    assert entrypoint.to_script("./server", tty=True).splitlines()[1].startswith("stty cols 120 rows 30")


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo", ("/bin/sh", "")),
        ("", ("/bin/sh", "")),
        ("#!/bin/bash\n", ("/bin/bash", "")),
        ("#! /bin/ash -ex \n", ("/bin/ash", "-ex ")),
        ("#!/usr/bin/env bash\n", ("/usr/bin/env", "bash ")),
        ("#!/bin/sh $(reboot)\n", ("/bin/sh", "'$(reboot)' ")),
        ("#!/bin/bash\r\n", ("/bin/bash", "")),
    ],
)
def test_first_line_names_the_interpreter(script, expected):
    assert entrypoint.to_interpreter(script) == expected
