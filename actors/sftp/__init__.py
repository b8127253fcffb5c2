"""The credentials with which clients log in over SFTP, besides tokens."""
