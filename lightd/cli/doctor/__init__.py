"""``lightd doctor``: checks a node, and says how to fix each problem."""
