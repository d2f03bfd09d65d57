"""The supervisor's side: opens the permitted ports, reports the reason of a failure, and never fails itself."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from fairlead.net.hostsockets.messages import (
    Connect,
    Listen,
    ListServers,
    Message,
    Opened,
    Protocol,
    Refused,
    pack,
    unpack,
)
from fairlead.relay.host import Exposed, handle_request

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        yield ours, theirs


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
    return port


def request(port: int, protocol: Protocol = "TCP") -> bytes:
    return pack(7, Listen(port, protocol))


def ask(pair: Pair, request: bytes, exposed: Exposed = ()) -> tuple[Message, list[int]]:
    ours, theirs = pair
    ours.send(request)
    assert handle_request(theirs, exposed=exposed)
    raw, fds, _, _ = socket.recv_fds(ours, 4096, 4)
    return unpack(raw).message, list(fds)


def test_a_port_is_listened_on_until_the_descriptor_is_closed(pair: Pair) -> None:
    port = free_port()
    answer, (fd,) = ask(pair, request(port))
    assert answer == Opened(port)
    with socket.socket(fileno=fd) as listener, socket.create_connection(("127.0.0.1", port)):
        assert listener.getsockname() == ("127.0.0.1", port)
        listener.setblocking(True)
        listener.accept()[0].close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_a_taken_port_is_answered_by_the_reason(pair: Pair) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert ask(pair, request(port)) == (Refused("Address already in use"), [])


def test_port_zero_gets_any_free_port(pair: Pair) -> None:
    answer, (fd,) = ask(pair, request(0))
    with socket.socket(fileno=fd) as listener:
        assert answer == Opened(listener.getsockname()[1])


def test_a_socket_for_datagrams_is_bound(pair: Pair) -> None:
    port = free_port()
    answer, (fd,) = ask(pair, request(port, "UDP"))
    assert answer == Opened(port)
    with socket.socket(fileno=fd) as bound:
        assert (bound.type, bound.getsockname()) == (socket.SOCK_DGRAM, ("127.0.0.1", port))
    with socket.socket(type=socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        assert ask(pair, request(other.getsockname()[1], "UDP"))[0] == Refused("Address already in use")


def test_requests_for_name_servers_are_refused(pair: Pair) -> None:
    assert ask(pair, pack(7, ListServers())) == (Refused("ListServers is not permitted here"), [])


def test_a_relay_that_reads_no_answer_does_not_stop_the_supervisor(pair: Pair) -> None:
    ours, theirs = pair
    for _ in range(10_000):
        ours.send(request(0), socket.MSG_DONTWAIT)
        assert handle_request(theirs)


def test_the_end_of_a_connection_is_distinguished_from_a_request(pair: Pair) -> None:
    ours, theirs = pair
    ours.close()
    assert not handle_request(theirs)


def test_a_port_of_the_host_is_dialled_only_if_it_is_exposed(pair: Pair) -> None:
    with socket.create_server(("127.0.0.1", 0)) as service:
        port = service.getsockname()[1]
        wanted = pack(1, Connect(port, "TCP"))
        for others in ({("TCP", port + 1)}, {("UDP", port)}):
            assert ask(pair, wanted, exposed=others) == (Refused(f"port {port}/TCP is not exposed"), [])
        _, (fd,) = ask(pair, wanted, exposed={("TCP", port)})
        with socket.socket(fileno=fd) as dialled:
            assert dialled.getpeername() == ("127.0.0.1", port)


def test_an_exposed_udp_port_is_given_as_a_socket_that_sends_there(pair: Pair) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as service:
        service.bind(("127.0.0.1", 0))
        port = service.getsockname()[1]
        wanted = pack(1, Connect(port, "UDP"))
        assert ask(pair, wanted, exposed={("TCP", port)})[1] == []
        _, (fd,) = ask(pair, wanted, exposed={("UDP", port)})
        with socket.socket(fileno=fd) as dialled:
            dialled.send(b"hi")
            assert service.recv(10) == b"hi"
