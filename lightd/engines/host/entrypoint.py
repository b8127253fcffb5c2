"""The script that a container starts with: it passes on signals, stdin and the exit code of the command.

Docker's init (tini) is PID 1. It starts ``/bin/sh entrypoint.sh`` and forwards the container's signals to it.
There are three cases, for busybox's ash, dash and bash:

- **A simple command** (``java -jar server.jar``) is executed with ``exec``: it replaces the shell and is
  tini's child.
- **A compound command** (``cd world && ./server``, ``A=1 ./server``, pipes, loops) runs in the shell, in the
  foreground, so that stdin and the terminal belong to the program; a background job of a shell would read
  /dev/null. tini signals the whole process group (``TINI_KILL_PROCESS_GROUP``, tini 0.19), so the program
  receives the signal directly. The shell must not exit before the program, because tini would then end the
  container: it has a trap, which a shell runs only when its foreground program has ended. Then it exits with
  the program's code and does not run the rest of the command. All programs of a pipeline receive the
  signal, as with Ctrl-C.
- **A command of a shell**, ``bash -c "…"``, is a compound command one shell deeper: the trap is inserted
  before its text.

An init that does not support ``TINI_KILL_PROCESS_GROUP`` signals only the shell; a compound command then ends
when its program does, or is killed after its timeout. A command that cannot be classified is treated as
compound, which always works.

The script sets the size of the terminal before the program can read it: Docker's default is 0 by 0.
"""

import re
import shlex
from typing import Final

PATH: Final = "/app/data/entrypoint.sh"
INSTALLER_PATH: Final = "/app/data/installer.sh"
SCRIPT_PATH: Final = "/app/data/install.sh"
MOUNTED_SCRIPT_PATH: Final = "/mnt/install/install.sh"
"""Where the installers of eggs expect the script."""
COLUMNS: Final = 120
ROWS: Final = 30

GROUP_SIGNALS: Final = ("TINI_KILL_PROCESS_GROUP", "1")
"""The environment variable that makes tini signal the process group of its child."""

# Background jobs have received the signal too; `wait` lets them end by themselves.
# The numbers are those of all stop signals (``lightd.engines.signals``) that would end the shell, for which
# shells know different names.
_TRAP: Final = (
    "trap 'lightd_code=$?; wait; exit $lightd_code' 1 2 3 10 12 13 14 15 16 24 25 26 27 29 30 34 64"
)

_TERMINAL: Final = f"stty cols {COLUMNS} rows {ROWS} 2>/dev/null"

# Two pipes have no common order; with one, errors appear where they happened.
_ONE_STREAM: Final = "exec 2>&1"

_QUOTED = re.compile(r"'[^']*'|\"(?:\\.|[^\"\\])*\"|\\.", re.DOTALL)
_PLACEHOLDER = "q"
_PUNCTUATION = re.compile(r"[;&|()<>`\n'\"\\]")
_SHELL = re.compile(r"(?:/usr)?(?:/bin/)?(?:sh|bash|dash|ash)")
_COMMAND_OPTION = re.compile(r"-[eilux]*c")
_SHEBANG = re.compile(r"#![ \t]*(\S+)[ \t]*(.*)")

# Words that only a shell knows, or that need the shell to stay: exec is not possible.
# fmt: off
_SHELL_WORDS: Final = frozenset(
    {
        "!", ".", ":", "[", "[[", "alias", "bg", "break", "builtin", "case", "cd", "command",
        "continue", "declare", "dirs", "do", "done", "echo", "elif", "else", "esac", "eval", "exit",
        "export", "false", "fg", "fi", "for", "function", "getopts", "hash", "if", "in", "jobs", "kill",
        "let", "local", "popd", "printf", "pushd", "pwd", "read", "readonly", "return", "select", "set",
        "shift", "shopt", "source", "test", "then", "time", "times", "trap", "true", "type", "typeset",
        "ulimit", "umask", "unalias", "unset", "until", "wait", "while", "{", "}",
    }
)
# fmt: on


def is_simple(command: str) -> bool:
    """Whether the command is certainly one program with its arguments, which can be ``exec``ed."""
    bare = _QUOTED.sub(_PLACEHOLDER, command.strip())
    words = bare.split()
    return (
        bool(words)
        and not _PUNCTUATION.search(bare)
        and "=" not in words[0]
        and not words[0].startswith("#")
        and words[0] not in _SHELL_WORDS
    )


def is_shell(command: str) -> bool:
    """Whether the command is ``bash -c "…"``, or the same with another shell, with nothing after the text."""
    if not is_simple(command):
        return False
    match _QUOTED.sub(_PLACEHOLDER, command.strip()).split():
        case [shell, option, _] if _SHELL.fullmatch(shell) and _COMMAND_OPTION.fullmatch(option):
            return True
        case _:
            return False


def to_environment(command: str) -> tuple[tuple[str, str], ...]:
    """The variables that tini needs in its environment for ``command``."""
    return (GROUP_SIGNALS,) if is_shell(command) or not is_simple(command) else ()


def to_script(command: str, *, tty: bool) -> str:
    """The text of ``entrypoint.sh``."""
    lines = ["#!/bin/sh", _TERMINAL if tty else _ONE_STREAM]
    if is_shell(command):
        # This shell expands the text first, as it would without lightd; the trap is put before the result.
        trap = shlex.quote(f"{_TRAP}\n")
        lines += [f"unset {GROUP_SIGNALS[0]}", f"set -- {command.strip()}", f'exec "$1" "$2" {trap}"$3"']
    elif not is_simple(command):
        lines += [f"unset {GROUP_SIGNALS[0]}", _TRAP, command]
    elif command.split(maxsplit=1)[0] == "exec":
        lines.append(command.strip())
    else:
        lines.append(f"exec {command.strip()}")
    return "\n".join(lines) + "\n"


def to_image_environment() -> tuple[tuple[str, str], ...]:
    """The variables that tini needs for an image's own entrypoint.

    Signals go to all its processes. If the entrypoint is another tini, it does not warn that it is not the
    first process.
    """
    return (GROUP_SIGNALS, ("TINI_SUBREAPER", "1"))


def to_program_script(program: str, user: str) -> str:
    """The command that runs ``/mnt/install/install.sh`` with ``program``, then gives the volume to ``user``.

    It sets the size of the terminal first. The exit code is that of the script, 127 without the program.
    """
    lines = ["#!/bin/sh", _TERMINAL, f"{shlex.quote(program)} {MOUNTED_SCRIPT_PATH}", *_to_given(user)]
    return "\n".join(lines) + "\n"


def _to_given(user: str) -> tuple[str, ...]:
    return ("code=$?", f"chown -R -h {shlex.quote(user)} /home/container", 'exit "$code"')


def to_installer_script(script: str, user: str) -> str:
    """The command that runs ``install.sh`` with its own interpreter, then gives the volume to ``user``.

    If the image lacks the interpreter, ``/bin/sh`` is used. The owner is changed however the script ends;
    links are changed themselves, not their targets. The exit code is that of the script.
    """
    lines = ["#!/bin/sh", _ONE_STREAM]
    interpreter, option = to_interpreter(script)
    if interpreter == "/bin/sh":
        lines.append(f"/bin/sh {option}{SCRIPT_PATH}")
    else:
        quoted = shlex.quote(interpreter)
        lines.append(
            f"if [ -x {quoted} ]; then {quoted} {option}{SCRIPT_PATH}; else /bin/sh {SCRIPT_PATH}; fi"
        )
    return "\n".join([*lines, *_to_given(user)]) + "\n"


def to_interpreter(script: str) -> tuple[str, str]:
    """The interpreter in the script's first line, and its option, quoted and followed by a space.

    For ``/usr/bin/env bash`` that is ``env`` with the option ``bash``.
    """
    found = _SHEBANG.match(script)
    if found is None:
        return "/bin/sh", ""
    option = found[2].strip()
    return found[1], f"{shlex.quote(option)} " if option else ""
