"""Endpoints: the Pods that the Service selects, and the slices that list them."""
