"""Calls to HTTPS servers that extend the API server: a Service of the cluster, or a URL."""
