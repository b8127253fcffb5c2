"""Deciders, mailboxes, the bus, the actor loop and supervision. Knows Trio, but not containers."""
