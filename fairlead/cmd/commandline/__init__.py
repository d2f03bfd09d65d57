"""Needs of the command line itself: completion, the manual page, and the manifests in its arguments."""
