"""Writes the addresses behind each Service into one Endpoints object, for clients that still read those."""
