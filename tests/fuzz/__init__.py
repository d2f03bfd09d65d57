"""Requests nobody would send, at the paths of Services and their endpoints: `python -m tests.fuzz [count] [seed]`."""
