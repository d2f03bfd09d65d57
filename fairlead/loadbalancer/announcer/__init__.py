"""Announces the load balancer's addresses on the fabric: a part of each node's agent.

`plan.py` decides which node announces which address, `model.py` renders frames and netlink messages, `run.py` is
the node's link to the fabric, `loop.py` watches, listens for the other nodes and acts. No packet of a Service
passes through the announcer.
"""
