"""Commands that start, stop, save and reset a cluster."""
