"""What every engine needs of the host: folders, ports, control groups."""
