"""Authorization: tokens, scopes, and what a token may see."""
