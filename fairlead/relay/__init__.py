"""Node ports on the host's 127.0.0.1: sockets that listen there, connections copied into the sandbox (TCP).

`plan.py` says which ports a Service publishes, `host.py` is the supervisor's side (opens the sockets), `loop.py` the
sandbox's side (watches Services, accepts), `copy.py` carries the bytes. The host's network itself is never touched.
"""
