"""Serves the proxies' state: probes, metrics, health checks. Also runs proxies for clusters not made by Fairlead."""
