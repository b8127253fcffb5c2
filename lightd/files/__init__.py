"""Files of tenants in their volumes, accessed only beneath a directory descriptor."""
