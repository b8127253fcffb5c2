"""The public API as values: request bodies, responses, events."""
