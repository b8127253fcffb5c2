"""The signals that a server can be stopped by: those that reach the program in a container.

Docker's init (tini) does not pass on SIGABRT, SIGBUS, SIGCHLD, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP,
SIGTTIN and SIGTTOU; SIGSTOP would stop tini itself, and SIGTSTP the shell of a compound command.
"""

from typing import Final

DELIVERED: Final = (
    *(
        "SIGTERM",
        "SIGINT",
        "SIGQUIT",
        "SIGHUP",
        "SIGUSR1",
        "SIGUSR2",
        "SIGKILL",
        "SIGALRM",
        "SIGCONT",
        "SIGIO",
    ),
    *("SIGPIPE", "SIGPOLL", "SIGPROF", "SIGPWR", "SIGRTMAX", "SIGRTMIN", "SIGSTKFLT", "SIGURG"),
    *("SIGVTALRM", "SIGWINCH", "SIGXCPU", "SIGXFSZ"),
)
"""The names of these signals, the usual ones first."""
