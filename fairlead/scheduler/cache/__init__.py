"""The scheduler's view of the cluster: nodes, the pods on them, and all that plug-ins read."""
