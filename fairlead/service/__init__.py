"""The rules of a Service, in one place and without I/O: endpoints, frontends, ports, families and names.

Proxy, relay, DNS, API server, load balancer, controllers and CLI read it here. DNS and the CLI have no objects of the
API: `decisions` and `wellknown` need none.
"""
