"""nftables: tables, maps and exact changes as values; the kernel behind one small interface, and its fake.

`model.py` holds the values and renders them in nft's syntax, `run.py` hands them to libnftables or, where they are
elements only, packed by `wire.py` to the socket of `batch.py`; `fake.py` checks references as the kernel does,
`trace.py` follows a packet through the rules that the fake holds.
"""
