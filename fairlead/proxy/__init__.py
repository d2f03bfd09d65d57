"""The node's part of a Service: kernel rules that send a connection for it to one of its endpoints.

`backend.py` says what a backend is, and `proxierconfig.py` what it is made with; `loop.py` watches the API and has a
backend (`nftables/`, `iptables/`) follow, the one that `activebackend.py` says. `conntrack.py`, `health.py` and
`metrics.py` are further readers; `serving.py` answers others; `modes.py` makes a backend by its name; `standalone.py`
runs all of it on a node of any cluster. No packet passes through this process.
"""
