"""The journal on disk: SQLite, the encoding of events, and upcasts for old events."""
