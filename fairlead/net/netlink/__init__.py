"""rtnetlink by hand: links, addresses and routes as messages that are sent many at a time.

`model.py` makes and reads the bytes, `run.py` owns the socket. Eight times faster than the ready-made library, which
takes longer to import than a whole cluster's network takes to build (docs/measurements.md, 1).
"""
