"""A daemon's journal, changed behind its back."""

import sqlite3
from contextlib import closing


def rename_last(daemon, internal_id, kind):
    """Have the last event of a container be of another kind; return which it was of."""
    last = (
        "position = (SELECT max(position) FROM records WHERE stream ="
        " (SELECT id FROM streams WHERE name = ?))"
    )
    stream = f"container-{internal_id}"
    with closing(sqlite3.connect(daemon.folder / "storage/lightd.db")) as connection, connection:
        ((before,),) = connection.execute(f"SELECT kind FROM records WHERE {last}", (stream,))
        connection.execute(f"UPDATE records SET kind = ? WHERE {last}", (kind, stream))
    return before
