"""The OpenAPI document: what the API is, for programs and for the page at ``/docs``."""
