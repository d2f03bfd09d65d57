"""The proxy's backend for iptables: the chains of upstream's kube-proxy, changed line by line.

`rules.py` holds the chains that always exist, `plan.py` computes the chains and lines of a Service, `rulesync.py`
computes the edits from the kernel's present rules to the desired ones, and `backend.py` carries the edits out."""
