"""The server: connections, HTTP/1.1, WebSockets, and Quart's side of a request."""
