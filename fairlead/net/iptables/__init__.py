"""Rules by the iptables programs, for those who want to see a Service as the field's tutorials show it.

`model.py` holds edits of chains and their text for `iptables-restore`, `run.py` runs the programs, `fake.py` is a
kernel for tests, `trace.py` follows a packet through the fake's rules.
"""
