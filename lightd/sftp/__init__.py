"""SFTP: who may log in, the messages between the daemon and its SFTP server, and that server.

The server is a process of its own (``lightd.sftp.server``), and so is each of its connections. They know no
Trio, and the daemon knows no SSH.
"""
