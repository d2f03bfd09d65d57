"""The supervisor's answers: each message as it was, nonsense refused, and no failure because of the other end."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import get_args

import pytest

from fairlead.net.hostsockets.answering import answer_one
from fairlead.net.hostsockets.messages import (
    Connect,
    Dial,
    Listen,
    ListServers,
    Message,
    Opened,
    Packet,
    Refused,
    Request,
    Servers,
    pack,
    unpack,
)

Pair = tuple[socket.socket, socket.socket]
MESSAGES: list[Message] = [
    Listen(0, "TCP"),
    Connect(80, "UDP"),
    Dial("192.0.2.1", 53, "UDP"),
    ListServers(),
    Opened(8080),
    Refused("taken"),
    Servers(("192.0.2.1:53", "[fe80::1]:53")),
]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        yield ours, theirs


def opened(request: Request) -> socket.socket:
    del request
    return socket.create_server(("127.0.0.1", 0))


@pytest.mark.parametrize("message", MESSAGES, ids=repr)
def test_a_message_arrives_as_it_was_sent(message: Message) -> None:
    assert unpack(pack(7, message)) == Packet(7, message)


def test_every_message_is_among_the_examples() -> None:
    assert {type(message) for message in MESSAGES} == set(get_args(Message))


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"no json", "invalid message"),
        (b"[]", "invalid message"),
        (b"{}", "invalid message"),
        (b'{"number": 1}', "invalid message"),
        (b'{"number": "1", "message": {"type": "ListServers"}}', "invalid message"),
        (b'{"number": 1, "message": {"type": "Listen", "port": "80", "protocol": "TCP"}}', "invalid message"),
        (b'{"number": 1, "message": {"type": "Listen", "port": 80, "protocol": "SCTP"}}', "invalid message"),
        (b'{"number": 1, "message": {"type": "Listen", "port": true, "protocol": "TCP"}}', "invalid message"),
        (b'{"number": 1, "message": {"type": "Dial", "address": ["a"], "port": 1, "protocol": "TCP"}}',
         "invalid message"),
        (pack(1, Listen(70000, "TCP")), "invalid port"),
        (pack(1, Listen(-1, "UDP")), "invalid port"),
        (pack(1, Dial("192.0.2.1", 70000, "TCP")), "invalid port"),
        (b"[" * 4000, "invalid message"),
    ],
)  # fmt: skip
def test_what_is_not_a_request_is_refused(pair: Pair, data: bytes, error: str) -> None:
    ours, theirs = pair
    ours.send(data)
    assert answer_one(theirs, opened)
    raw, fds, _, _ = socket.recv_fds(ours, 4096, 4)
    assert (unpack(raw), fds) == (Packet(0, Refused(error)), [])


def test_a_reply_is_not_a_request(pair: Pair) -> None:
    ours, theirs = pair
    ours.send(pack(4, Opened(1)))
    assert answer_one(theirs, opened)
    assert unpack(ours.recv(4096)) == Packet(4, Refused("not a request"))


def test_the_end_of_a_connection_is_distinguished_from_a_request(pair: Pair) -> None:
    ours, theirs = pair
    ours.close()
    assert not answer_one(theirs, opened)


def test_an_end_that_reads_no_reply_does_not_stop_the_supervisor(pair: Pair) -> None:
    ours, theirs = pair
    for _ in range(2_000):
        ours.send(pack(1, ListServers()), socket.MSG_DONTWAIT)
        assert answer_one(theirs, opened)
