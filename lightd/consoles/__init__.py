"""Console logs on disk."""
