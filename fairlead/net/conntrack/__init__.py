"""The kernel's connection tracking: which flows it knows, and forgetting some of them.

Needed for UDP: a client that keeps its socket would be sent to an endpoint that has gone for as long as it sends.
"""
