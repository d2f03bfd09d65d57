"""The node's part of a Service: kernel rules that send a connection for it to one of its endpoints.

`endpoints.py` chooses endpoints, `frontends.py` says where a Service answers, `site.py` what else there is to know,
`backend.py` what a backend is; `loop.py` watches the API and has a backend (`nftables/`, `iptables/`) follow, the one
that `inforce.py` says. `flows.py`, `health.py` and `metrics.py` are further readers; `serving.py` lets others ask;
`modes.py` makes a backend by its name; `standalone.py` runs it all on a node of any cluster.
No packet passes through this process.
"""
