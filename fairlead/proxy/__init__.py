"""The node's part of a Service: kernel rules that send a connection for it to one of its endpoints.

`rules.py` holds the fixed table, `endpoints.py` chooses endpoints, `plan.py` says which elements a Service is,
`ledger.py` keeps what the kernel holds and finds the exact changes, `loop.py` watches the API and applies them.
`flows.py`, `health.py` and `metrics.py` are further readers of the plan; `serving.py` lets others ask.
No packet passes through this process.
"""
