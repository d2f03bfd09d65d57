"""Publishes Services on the host's 127.0.0.1: listens there and copies connections and datagrams into the sandbox.

`plan.py` decides the ports that a Service publishes on the host. `host.py` is the supervisor's side (opens the
sockets), `loop.py` the sandbox's side (watches Services, asks for sockets through `net/hostsockets`). `copy.py` carries
connections with `watch.py` and `calls.py`; `datagrams.py` carries datagrams. `notes.py` writes the URLs into an
annotation of the Service. `exposed.py` is the opposite direction, from Pods to ports of the host. The host's
network configuration is never changed.
"""
