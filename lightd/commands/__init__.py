"""The commands for people: what a running daemon can be asked and told from a shell."""
