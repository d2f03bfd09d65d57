"""Rolls a Deployment's pods from template to template by scaling one ReplicaSet for each template."""
