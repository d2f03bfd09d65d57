"""Fairlead: a Kubernetes-compatible cluster on one Linux machine whose Services are real."""

__version__ = "0.1.0"
