"""Decisions about volumes and claims, without I/O: controllers, scheduler, nodes and the API server share them."""
