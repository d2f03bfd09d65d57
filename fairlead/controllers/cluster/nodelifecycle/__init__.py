"""Detects nodes that no longer report: sets conditions, taints and the readiness of their pods, and evicts."""
