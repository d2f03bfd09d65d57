"""Keeps a Pod's containers running until no node's proxy sends new connections to it.

Each proxy knows the revision of EndpointSlices that its kernel's rules follow. The agent that ends a Pod waits until
the Pod is out of the slices. It then asks the agents of all other nodes whether their proxies have reached that
revision: one question a node, over the nodes' own API (port 10250), answered as soon as it is so. `plan.py` reads
slices and nodes, `loop.py` waits, `run.py` asks. Rejected: an annotation on each node's Lease. Every change of any
slice would cost a write for each node, but a question is asked only when a Pod ends.
"""
