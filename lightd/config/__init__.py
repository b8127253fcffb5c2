"""The configuration: what the file says, how it is read, and how a running daemon takes a new one."""
