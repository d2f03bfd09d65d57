"""Quotas: their use, and the admission plug-in that refuses requests that exceed a quota."""
