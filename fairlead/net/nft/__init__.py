"""nftables: tables, maps and exact changes as values; the kernel behind one small interface, and its fake.

`model.py` holds the values and renders them in nft's syntax. `run.py` passes them to libnftables; transactions of
elements alone are packed by `wire.py` and sent by `batch.py`. `fake.py` checks references as the kernel does,
`trace.py` follows a packet through the rules of the fake.
"""
