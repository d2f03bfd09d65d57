"""Services on the host's 127.0.0.1: sockets that listen there, connections and datagrams copied into the sandbox.

`plan.py` says which doors a Service has on the host, `host.py` is the supervisor's side (opens the sockets), `loop.py`
the sandbox's side (watches Services, asks for sockets by `listener.py`); `copy.py` carries connections, by `watch.py`
and `calls.py`, `datagrams.py` datagrams; `notes.py` writes on the Service where it can be reached. `exposed.py` is the
other way, from Pods to ports of the host. The host's network itself is never touched.
"""
