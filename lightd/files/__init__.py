"""What tenants keep in their volumes, reached only beneath a directory descriptor."""
