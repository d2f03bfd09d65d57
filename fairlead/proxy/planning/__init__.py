"""The base of every backend: its interface to the loop, its configuration, the node, and stable places for
endpoints."""
