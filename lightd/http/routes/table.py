"""Every route there is, in sections: what the application registers and what the document describes.

The daemon has no other routes. A module of this package is added to its section here.
"""

from lightd.http.live import session
from lightd.http.route import Route, Section, Sections
from lightd.http.routes import (
    archives,
    audit,
    changes,
    console_input,
    containers,
    doctor,
    documents,
    downloads,
    eggs,
    files,
    game_query,
    history,
    install_log,
    node,
    ports,
    quotas,
    remote,
    sftp,
    statistics,
    tokens,
    uploads,
    variables,
    volumes,
)

SECTIONS: Sections = (
    Section(
        "Node",
        "The daemon itself. `ping` and the page at `/docs` need no token and no vendor header and reveal nothing about the node.",
        (*node.ROUTES, *doctor.ROUTES, *documents.to_routes(lambda: SECTIONS), *remote.ROUTES),
    ),
    Section(
        "Tokens",
        "Tokens with an expiry and, optionally, limited to some containers and permissions. "
        "Only the master token can create and revoke them. Only their digests are stored.",
        tokens.ROUTES,
    ),
    Section(
        "Audit",
        "The log of every call with a valid token that can change something. Requires the master token.",
        audit.ROUTES,
    ),
    Section(
        "Volumes",
        "Folders with the files of servers. Sizes are in MB of 1,048,576 bytes; a volume without a size is unlimited. "
        "`kind` and `quota_kind` say how the size is enforced: `project` and `btrfs` by the kernel, `accounted` by lightd, "
        "which measures the volume and stops a server that keeps growing beyond it.",
        (*volumes.ROUTES, *quotas.ROUTES),
    ),
    Section(
        "Files",
        "The files of a volume. Paths are relative to the volume; an empty or absolute path, or one that leads out of the "
        "volume, is a 400. Symbolic links within the volume are followed, and never replaced by a write.",
        (*files.ROUTES, *uploads.ROUTES, *downloads.ROUTES),
    ),
    Section(
        "Archives",
        "Formats: `zip`, `tar`, `tar.gz`, `tar.bz2` and `tar.zst`. Without `wait` the response is sent when the work is done, "
        "and the work is cancelled if the client disconnects; with `wait` it continues without the client. "
        "Each volume processes one archive at a time.",
        archives.ROUTES,
    ),
    Section(
        "Ports",
        "The ports that containers can use. A port is leased to one container at a time. `0.0.0.0:p` and `127.0.0.1:p` "
        "can both be in the pool, but not both be leased.",
        ports.ROUTES,
    ),
    Section(
        "Eggs",
        "Descriptions of games, from which containers can be created. Eggs are stored in immutable versions.",
        eggs.ROUTES,
    ),
    Section(
        "Containers",
        "A game server or another program, each in its own container. Actions on Docker are asynchronous: with `wait` the "
        "call returns when the action has finished. Start, stop, restart and kill set the wanted state: if it is already "
        "reached, nothing changes, and a later one replaces an earlier one. A container in quarantine answers 503 until it "
        "is revived.",
        (
            *containers.ROUTES,
            *history.ROUTES,
            *console_input.ROUTES,
            *statistics.ROUTES,
            *game_query.ROUTES,
            *changes.ROUTES,
            *install_log.ROUTES,
            *variables.ROUTES,
        ),
    ),
    Section(
        "SFTP",
        "The same files over SFTP, with clients as FileZilla, WinSCP, sshfs and rclone, if the configuration has "
        "`sftp.enabled`.",
        sftp.ROUTES,
    ),
)
"""The sections of the document, in its order."""

ROUTES: tuple[Route, ...] = (*(route for section in SECTIONS for route in section.routes), *session.ROUTES)
