"""The pulling service: a process in the host's network that pulls images for nodes, which have no way out."""
