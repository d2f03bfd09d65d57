"""Addresses and ports: those of the Service, of its load balancer and of this machine."""
