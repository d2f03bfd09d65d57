"""Allocates addresses for Services of type LoadBalancer from a pool on the fabric.

In the control plane `plan.py` chooses the address of each Service and `loop.py` writes it. `announcer/` is the part
of each node's agent that answers for the addresses: one node at a time, and another one within 2 s if that node
dies.
"""
