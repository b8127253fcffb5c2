"""The tokens: what each lets its bearer do, and for how long."""
