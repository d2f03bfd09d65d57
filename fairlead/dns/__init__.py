"""Cluster DNS: every name of the Kubernetes DNS specification 1.1.0, packed when objects change.

Runs as a pod (`fairlead.dns.start`), so it imports as little as it can: no HTTP library and none of the API's kinds.
`wire`, `message`, `names`, `records`, `zone`, `answer`, `cache`, `forward` and `config` decide and do no I/O;
`server`, `upstream`, `watching` and `loop` act. `outside` and `host` forward queries for other names out of the
sandbox; `addon` declares the objects created in the cluster.
"""
