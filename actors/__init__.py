"""The system: a small actor kernel, and every actor with its pure core and the Protocols it needs."""
