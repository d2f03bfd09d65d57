"""Explains why a Service does not work: a snapshot of the cluster, checks along the path of a connection, a verdict.

`collect` reads the snapshot through a function that fetches a path of the API. Everything else is pure: `checks/` has
one check a module, `diagnose` runs them, `report` renders the result.
"""
