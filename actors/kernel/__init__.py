"""Deciders, mailboxes, the bus, the actor loop and supervision. Knows Trio, knows nothing of containers."""
