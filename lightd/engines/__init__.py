"""The implementations of the Protocol in actors.container.engine."""
