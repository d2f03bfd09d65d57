"""The node's part of a Service: kernel rules that send each connection for the Service to one of its endpoints.

`sync` watches the API and passes changes to a backend, `nftables` or `iptables`; `planning/backend.py` is the
interface between them. `settings` chooses the backend. `server` answers probes, load balancers and Prometheus. No
packet passes through this process."""
