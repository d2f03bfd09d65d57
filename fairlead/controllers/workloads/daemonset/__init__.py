"""Keeps a pod of a DaemonSet on every node that matches, and rolls pods from template to template."""
