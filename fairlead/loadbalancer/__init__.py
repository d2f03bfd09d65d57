"""Addresses for Services of type LoadBalancer, out of a pool on the fabric.

`plan.py` decides which Service gets which address and `loop.py` writes it, in the control plane; `announcer/` is the
part of each node's agent that makes the address answer: one node at a time, another one within 2 s of its death.
"""
