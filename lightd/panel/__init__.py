"""The remote panel: its HTTP client, and the exchange of configurations."""
