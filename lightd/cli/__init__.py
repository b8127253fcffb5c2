"""The command line: the daemon, its demonstration, the commands for people, the doctor."""
