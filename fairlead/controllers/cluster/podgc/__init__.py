"""Removes pods that nothing will ever finish: bound to a node that is gone, or never bound and terminating."""
