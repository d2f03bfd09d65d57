"""Notices nodes that have fallen silent: conditions, taints, their pods' readiness, and eviction."""
