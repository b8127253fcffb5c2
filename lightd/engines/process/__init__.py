"""Containers without Docker: local processes, each with its own supervisor process. No isolation."""
