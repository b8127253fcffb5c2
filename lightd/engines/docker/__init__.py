"""The engine that runs containers with Docker."""
