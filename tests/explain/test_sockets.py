"""Listening sockets are read from the kernel's tables."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from fairlead.explain.sockets import Listener, describe, parse


@pytest.mark.parametrize(
    ("family", "kind", "protocol", "file", "address"),
    [
        (socket.AF_INET, socket.SOCK_STREAM, "TCP", "tcp", "127.0.0.1"),
        (socket.AF_INET, socket.SOCK_DGRAM, "UDP", "udp", "127.0.0.1"),
        (socket.AF_INET, socket.SOCK_STREAM, "TCP", "tcp", "0.0.0.0"),
        (socket.AF_INET6, socket.SOCK_STREAM, "TCP", "tcp6", "::1"),
    ],
)
def test_a_socket_of_this_process_is_in_the_kernels_table(
    family: int, kind: int, protocol: str, file: str, address: str
) -> None:
    table = Path("/proc/net") / file
    if family == socket.AF_INET6 and not table.exists():
        pytest.skip("no IPv6 on this host")
    with socket.socket(family, kind) as one:
        one.bind((address, 0))
        if kind == socket.SOCK_STREAM:
            one.listen()
        listener = Listener(protocol, address, one.getsockname()[1])
        assert listener in list(parse(table.read_text(), protocol))
        assert listener.loopback == (address != "0.0.0.0")


_SCTP = """ ENDPT     SOCK   STY SST HBKT LPORT   UID INODE LADDRS
000000001c2f3a4b 00000000aa11bb22 2   10  29   3868      0 68021 0.0.0.0\x20
00000000deadbeef 00000000cc33dd44 5   10  30   3869      0 68022 127.0.0.1 0000:0000:0000:0000:0000:0000:0000:0001\x20
000000000badcafe 00000000ee55ff66 2   7   31   3870      0 68023 10.244.1.2\x20
"""


def test_the_table_of_sctp_has_an_address_for_each_that_a_socket_listens_on() -> None:
    assert list(parse(_SCTP, "SCTP")) == [
        Listener("SCTP", "0.0.0.0", 3868),
        Listener("SCTP", "127.0.0.1", 3869),
        Listener("SCTP", "::1", 3869),
    ]
    assert list(parse("", "SCTP")) == []


def test_the_text_names_addresses_only_if_they_are_loopback() -> None:
    sockets = [Listener("TCP", "0.0.0.0", 80), Listener("TCP", "::", 80), Listener("UDP", "127.0.0.1", 53)]
    assert (str(describe(sockets)), str(describe([]))) == ("TCP 80, UDP 53 on 127.0.0.1", "nothing")
