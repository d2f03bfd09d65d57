"""What a Service means, once and without I/O: the endpoints that serve it, where it answers, ports, families and names.

Proxy, relay, DNS, API server, load balancer, controllers and CLI read it here. DNS and the CLI have no objects of the
API: `decisions` and `wellknown` need none.
"""
