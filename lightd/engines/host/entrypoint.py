"""The script that a container starts from: it makes signals, stdin and the exit code those of the command.

Docker's init (tini) is PID 1, starts ``/bin/sh entrypoint.sh`` and sends it the signals that the container
is sent. Three cases, for busybox's ash, dash and bash alike:

- **A simple command** (``java -jar server.jar``) is ``exec``ed: the shell is gone, the program is tini's
  child.
- **A compound one** (``cd world && ./server``, ``A=1 ./server``, pipes, loops) stays in the shell, in the
  foreground, so that stdin and the terminal are the program's as they would be by hand; a shell's
  background job would read /dev/null. tini is told to signal the whole process group
  (``TINI_KILL_PROCESS_GROUP``, tini 0.19), so the program has the signal at first hand. The shell must not
  die of it before the program has ended, as tini would then end the container: it has a trap, and a shell
  runs its trap only when its foreground program is done. It then exits with the program's code, and starts
  nothing of what would come after. All of a pipeline has the signal, as with Ctrl-C by hand.
- **A shell's own** ``bash -c "…"`` is the compound case one shell further in: the trap goes before its text.

An init that knows no ``TINI_KILL_PROCESS_GROUP`` signals the shell alone; then a compound command ends only
when its program does, or is killed after its grace. When in doubt a command counts as compound, which is
never wrong.

The terminal gets its size here, before the program can look: Docker's is 0 by 0 until somebody resizes it.
"""

import re
import shlex
from typing import Final

PATH: Final = "/app/data/entrypoint.sh"
INSTALLER_PATH: Final = "/app/data/installer.sh"
SCRIPT_PATH: Final = "/app/data/install.sh"
COLUMNS: Final = 120
ROWS: Final = 30

GROUP_SIGNALS: Final = ("TINI_KILL_PROCESS_GROUP", "1")
"""The environment variable that has tini signal the process group of its child."""

# Background jobs have had the signal too; `wait` lets them end in their own way.
_TRAP: Final = "trap 'lightd_code=$?; wait; exit $lightd_code' HUP INT QUIT TERM USR1 USR2"

# Two pipes are read in no order; on one, errors stand where they happened.
_ONE_STREAM: Final = "exec 2>&1"

_QUOTED = re.compile(r"'[^']*'|\"(?:\\.|[^\"\\])*\"|\\.", re.DOTALL)
_PLACEHOLDER = "q"
_PUNCTUATION = re.compile(r"[;&|()<>`\n'\"\\]")
_SHELL = re.compile(r"(?:/usr)?(?:/bin/)?(?:sh|bash|dash|ash)")
_COMMAND_OPTION = re.compile(r"-[eilux]*c")
_SHEBANG = re.compile(r"#![ \t]*(\S+)[ \t]*(.*)")

# Words that only the shell knows, or that need it to stay: there is nothing to exec.
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
    """The command is surely one program with its arguments, and may be ``exec``ed."""
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
    """The command is ``bash -c "…"``, or the same of another shell, with nothing after the text."""
    if not is_simple(command):
        return False
    match _QUOTED.sub(_PLACEHOLDER, command.strip()).split():
        case [shell, option, _] if _SHELL.fullmatch(shell) and _COMMAND_OPTION.fullmatch(option):
            return True
        case _:
            return False


def to_environment(command: str) -> tuple[tuple[str, str], ...]:
    """What the script for ``command`` needs in the environment that tini has."""
    return (GROUP_SIGNALS,) if is_shell(command) or not is_simple(command) else ()


def to_script(command: str, *, tty: bool) -> str:
    """The text of ``entrypoint.sh``."""
    lines = ["#!/bin/sh", f"stty cols {COLUMNS} rows {ROWS} 2>/dev/null" if tty else _ONE_STREAM]
    if is_shell(command):
        # Its text goes through this shell first, as it would without us; the trap is put before the result.
        trap = shlex.quote(f"{_TRAP}\n")
        lines += [f"unset {GROUP_SIGNALS[0]}", f"set -- {command.strip()}", f'exec "$1" "$2" {trap}"$3"']
    elif not is_simple(command):
        lines += [f"unset {GROUP_SIGNALS[0]}", _TRAP, command]
    elif command.split(maxsplit=1)[0] == "exec":
        lines.append(command.strip())
    else:
        lines.append(f"exec {command.strip()}")
    return "\n".join(lines) + "\n"


def to_installer_script(script: str, user: str) -> str:
    """The text that runs ``install.sh`` with its own interpreter, then gives the volume to ``user``.

    An interpreter that the image lacks is replaced by ``/bin/sh``. The volume changes hands whatever the
    script's end, links themselves and not what they lead to; the exit code stays the script's.
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
    lines += ["code=$?", f"chown -R -h {shlex.quote(user)} /home/container", 'exit "$code"']
    return "\n".join(lines) + "\n"


def to_interpreter(script: str) -> tuple[str, str]:
    """The interpreter that the script's first line names, and its one option, quoted, with a blank after it.

    ``/usr/bin/env bash`` is that: ``env`` with the option ``bash``.
    """
    found = _SHEBANG.match(script)
    if found is None:
        return "/bin/sh", ""
    option = found[2].strip()
    return found[1], f"{shlex.quote(option)} " if option else ""
