"""The port pool actor: which ports may be used, and by whom each is held."""
