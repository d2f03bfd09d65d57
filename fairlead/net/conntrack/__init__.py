"""The kernel's connection tracking: its flows, and how some of them are deleted.

Needed for UDP: a client that keeps its socket would be sent to an endpoint that has gone for as long as it sends.
"""
