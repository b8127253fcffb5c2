"""The journal on disk: SQLite, the codec of its events, and what keeps old events readable."""
