"""The SFTP server: a process that listens, and one without privileges for each connection.

Neither imports Trio or the daemon: a connection takes the memory of what was imported once before.
"""
