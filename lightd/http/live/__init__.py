"""Live streams: WebSocket sessions and the broadcasts that they show."""
