"""The daemon: what gives the system in ``actors`` a body, with Docker, disk, HTTP and a command line."""
