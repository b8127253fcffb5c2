"""The panel: how it is spoken to over HTTP, and what is exchanged with it besides updates."""
