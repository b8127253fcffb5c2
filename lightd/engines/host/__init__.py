"""What engines need of the host: folders, ports, mounts, cgroups."""
