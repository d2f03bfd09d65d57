"""Cluster DNS: every name of the Kubernetes DNS specification 1.1.0, packed when objects change.

Runs as a pod (`fairlead.dns.program.start`), so it imports as little as it can: no HTTP library and none of the API's
kinds. `protocol`, `zones`, `forwarding.cache`, `forwarding.forward` and `config` decide and do no I/O; `serving`,
`forwarding.upstream` and `program` act.
"""
