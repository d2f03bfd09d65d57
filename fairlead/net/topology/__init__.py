"""The cluster's links and routes: a fabric, nodes on it, pods on the nodes.

Node = network namespace with one leg on the fabric's bridge. Pod = network namespace with one veth to its node, routed
point-to-point: a pod bridge breaks either hairpin or same-node service traffic (docs/measurements.md, 2).
"""
