"""Deletes the dependents of deleted owners: background, foreground and orphaning deletion."""
