"""The kernel's connection tracking: lists and deletes flow entries.

Needed for UDP: as long as a client sends from the same socket, its entry leads to the old endpoint, even after that
endpoint is deleted.
"""
