"""Ports of a node that lead to Pods (`hostPort`): one nftables table a family in the node's network namespace."""
