"""nftables: tables, maps and exact changes as values; the kernel behind one small interface, and its fake.

`model.py` holds the values and renders them in nft's syntax, `run.py` hands them to libnftables or, elements, packed by
`wire.py`, to `batch.py`'s socket; `fake.py` checks references as the kernel does, `trace.py` follows a packet through the
rules that the fake holds.
"""
