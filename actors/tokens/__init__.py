"""The tokens: what each one permits, and until when."""
