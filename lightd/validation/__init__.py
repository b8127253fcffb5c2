"""Reading JSON values by rules: for request bodies and for the configuration."""
