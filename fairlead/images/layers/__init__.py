"""Layers: decompression, and unpacking into a directory in the form that overlayfs reads."""
