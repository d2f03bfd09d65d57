"""rtnetlink without a library: links, addresses and routes as messages, sent many at a time.

`model.py` makes and reads the bytes, `run.py` owns the socket. Eight times faster than the ready-made library, whose
import takes longer than building the network of a whole cluster (docs/measurements.md, 1).
"""
