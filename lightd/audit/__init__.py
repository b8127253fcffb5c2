"""The audit: which token requested which change, and with which result."""
