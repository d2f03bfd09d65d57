"""OpenAPI documents v2 and v3, derived from the kinds."""
