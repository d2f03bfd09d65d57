"""Makes the load balancer's addresses answer on the fabric: a part of each node's agent.

`plan.py` says which node announces what, `model.py` writes frames and netlink messages, `run.py` is the node's leg on
the fabric, `loop.py` watches, listens for the other nodes and acts. No packet of a Service passes through it.
"""
