"""Chooses a node for each pod: filters and scores the nodes, and binds through the API."""
