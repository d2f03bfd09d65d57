"""Rules by the iptables programs, for users who want to see a Service in the form that tutorials show.

`model.py` holds edits of chains and their text for `iptables-restore`, `run.py` runs the programs, `fake.py` is a
kernel for tests, `trace.py` follows a packet through the fake's rules.
"""
