"""Reports about the processes, logs and memory of a cluster, and about the machine."""
