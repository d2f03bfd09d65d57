"""The node's part of a Service: kernel rules that send a connection for it to one of its endpoints.

`sync` follows the API and has a backend, `nftables` or `iptables`, make the kernel follow; the two meet it at
`planning/backend.py`. `settings` says which backend, and `server` answers probes, load balancers and Prometheus.
No packet passes through this process.
"""
