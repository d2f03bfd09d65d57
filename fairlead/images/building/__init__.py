"""Builds images without an engine: a directory or a script, above an image of the store or programs of the host."""
