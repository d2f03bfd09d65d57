"""Deletes old certificate requests."""
