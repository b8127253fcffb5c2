"""How the sizes of volumes are enforced: by the kernel if possible, otherwise by lightd's own accounting."""
