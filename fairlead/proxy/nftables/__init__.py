"""The proxy's backend for nftables: fixed rules, and an element of a map for each Service, port and endpoint.

`rules.py` holds the fixed table, `plan.py` says which elements a Service is, `incremental.py` says the same faster for
a change, `mirror.py` keeps what the kernel holds and finds the exact changes, `backend.py` applies them and reads back
what others did.
"""
