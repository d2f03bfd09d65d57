"""Limits of a container process: privileges and control group."""
