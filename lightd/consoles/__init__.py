"""The consoles' logs on disk."""
