"""Removes pods that no kubelet will finish: bound to a deleted node, or terminating without a node."""
