"""Binds claims to volumes, and writes the phases of both."""
