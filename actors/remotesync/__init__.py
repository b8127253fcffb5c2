"""Remote sync: what the panel has to know, told to it in order for each server, however long it was away."""
