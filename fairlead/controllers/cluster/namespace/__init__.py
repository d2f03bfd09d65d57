"""Deletes the contents of a terminating namespace, then finalizes the namespace."""
