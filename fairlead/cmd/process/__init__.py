"""The processes of a cluster: from `starting`, by supervisor and sandbox, to `stopping`."""
