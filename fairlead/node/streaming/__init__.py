"""Streams between a client and a container: exec, attach and port-forward, over SPDY/3.1 and over WebSocket.

`spdy`, `channels` and `remotecommand` are protocols: bytes in, events out. `handshake` chooses one of them, `peers`
joins it to a connection, and the sessions (`execsession`, `attachsession`) know no protocol.
"""
