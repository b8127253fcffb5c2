"""Log lines, the masking of secrets in them, and what blocks the event loop."""
