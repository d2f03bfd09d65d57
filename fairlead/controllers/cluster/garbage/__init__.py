"""Deletes what its owners have left behind: background, foreground and orphaning deletion."""
