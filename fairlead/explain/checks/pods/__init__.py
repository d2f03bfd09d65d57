"""Pods: their workload, their containers, and the processes that listen in them."""
