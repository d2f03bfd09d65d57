"""Counts the healthy pods of a PodDisruptionBudget, so that evictions know how many may go."""
