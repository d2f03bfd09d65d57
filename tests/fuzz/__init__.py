"""Requests that no client would send, at the paths of every kind: `python -m tests.fuzz [count] [seed]`."""
