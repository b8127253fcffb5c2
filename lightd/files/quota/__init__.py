"""What holds a volume to its size: the kernel where it can, lightd's own accounting where it can't."""
