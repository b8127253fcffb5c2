"""The volumes actor: which volumes exist."""
