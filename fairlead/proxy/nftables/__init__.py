"""The proxy's backend for nftables: fixed rules, and an element of a map for each Service, port and endpoint.

`rules.py` holds the fixed table. `plan.py` computes the elements of a Service, and `incremental.py` computes them
faster after a change. `mirror.py` records the kernel's content and computes the exact changes. `backend.py` applies
them and reads back foreign changes."""
