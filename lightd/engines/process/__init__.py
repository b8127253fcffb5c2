"""Containers without Docker: local processes, each under a supervisor of its own. It isolates nothing."""
