"""The pulling service: a process in the host's network that pulls images for nodes, which lack a way out."""
