"""Asking game servers for their players, by the protocols of server lists."""
