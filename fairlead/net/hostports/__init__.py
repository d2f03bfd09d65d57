"""Ports of a node that lead to pods (`hostPort`): one nftables table a family in the node's network namespace."""
