"""Forgets Events an hour after they last happened."""
