"""Registries: credentials, settings, the distribution protocol, and pulling into the store."""
