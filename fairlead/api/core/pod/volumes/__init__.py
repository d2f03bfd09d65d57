"""Volumes of a Pod: types, defaults and rules."""
