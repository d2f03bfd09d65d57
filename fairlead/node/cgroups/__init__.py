"""Control groups of a node's containers: limits that the kernel enforces, if the node may make groups."""
