"""The cluster's links and routes: a fabric, nodes on it, Pods on the nodes.

A node is a network namespace with one link to the fabric's bridge. A Pod is a network namespace with one veth to its
node, routed point-to-point: a bridge for Pods breaks either hairpin or same-node Service traffic (docs/measurements.md,
2).
"""
