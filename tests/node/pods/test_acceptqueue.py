"""Connections that servers have not accepted yet, as the kernel shows them."""

from __future__ import annotations

from fairlead.node.pods.containers.acceptqueue import waiting, waiting_for

TEXT = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F90 00000000:0000 0A 00000000:00000003 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:0050 00000000:0000 0A 00000000:00000001 00:00000000 00000000     0        0 2 1 0 100 0 0 10 0
   2: 0100007F:1F90 0100007F:9C40 01 00000000:00000007 00:00000000 00000000     0        0 3 1 0 20 4 30 10 -1
"""


def test_connections_in_the_queues_of_listening_sockets_are_counted() -> None:
    assert waiting(TEXT) == 4
    assert waiting("") == 0


def test_nothing_waits_for_a_process_that_has_ended() -> None:
    assert waiting_for(2**22 + 1) == 0
