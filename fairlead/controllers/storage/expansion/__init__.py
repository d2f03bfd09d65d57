"""Gives claims the size that they ask for after a change."""
