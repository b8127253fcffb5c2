-- The journal, schema 1 (PRAGMA user_version). Records are added, and condensed (compaction.py). Later schemas: see MIGRATIONS.

CREATE TABLE streams (
    id INTEGER PRIMARY KEY,       -- counts up: the order of the streams' first records
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE records (
    position INTEGER PRIMARY KEY, -- global, from 1, without gaps
    stream INTEGER NOT NULL REFERENCES streams (id),
    version INTEGER NOT NULL,     -- in its stream, from 1, without gaps
    at REAL NOT NULL,             -- Unix seconds
    kind TEXT NOT NULL,           -- the event's name and the number of its shape: see codec.py
    schema INTEGER NOT NULL,
    data BLOB NOT NULL,           -- the event's fields: JSON in UTF-8
    cause TEXT,                   -- the operation that led to it
    UNIQUE (stream, version)      -- the last line of defence against two writers
) STRICT;
