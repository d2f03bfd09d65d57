"""What others see of a node's proxies: probes, metrics, health checks; and the program that runs them alone."""
