"""The client commands, which talk to a running daemon from a shell."""
