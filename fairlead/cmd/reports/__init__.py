"""What commands report of a cluster's processes, logs and memory, and of the machine."""
