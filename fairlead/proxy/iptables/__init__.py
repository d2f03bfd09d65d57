"""The proxy's backend for iptables: the chains that upstream's kube-proxy is known by, changed line by line.

`rules.py` holds the chains that there always are, `plan.py` says which chains and lines a Service is, `rulesync.py`
finds the edits that turn what the kernel holds into what it should, `backend.py` has them carried out.
"""
