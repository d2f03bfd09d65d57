"""Containers of a Pod: types and rules."""
