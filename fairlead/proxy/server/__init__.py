"""Shows others how a node's proxies do: probes, metrics, health checks. Also runs them without a cluster of ours."""
