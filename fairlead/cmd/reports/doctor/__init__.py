"""Checks of the host, for `fairlead doctor`: `probe` tries in new namespaces what a cluster needs, `checks` looks
at settings and programs, `model` has the findings."""
