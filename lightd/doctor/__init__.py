"""``lightd doctor``: what is wrong with a node, and what mends it."""
