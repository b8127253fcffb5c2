"""The HTTP and WebSocket edge: everything that a client on the network can reach."""
