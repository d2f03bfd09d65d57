"""The sockets that pid 1 keeps for the relay."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator

import pytest

from fairlead.relay.fdstore import FdStore
from fairlead.relay.fdstoreclient import FdStoreClient
from fairlead.relay.plan import PublishedPort, Route

PUBLISHED = PublishedPort("default/web", "TCP", 80)


@pytest.fixture
def fd_store() -> Iterator[FdStore]:
    with contextlib.closing(FdStore()) as made:
        yield made


@pytest.fixture
def store_client(fd_store: FdStore) -> Iterator[FdStoreClient]:
    with socket.socket(fileno=fd_store.relay_end) as sock:
        yield FdStoreClient(sock, ())


def is_refused(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) != 0


def test_a_socket_listens_until_it_is_dropped(fd_store: FdStore, store_client: FdStoreClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        store_client.store(PUBLISHED, Route(), listener)
    assert len(fd_store.fds()) == 1
    assert not is_refused(port)
    store_client.remove(PUBLISHED)
    assert fd_store.fds() == []
    assert is_refused(port)


def test_a_second_socket_of_a_published_port_takes_the_place_of_the_first(
    fd_store: FdStore, store_client: FdStoreClient
) -> None:
    ports = []
    for _ in range(2):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            ports.append(listener.getsockname()[1])
            store_client.store(PUBLISHED, Route(), listener)
    assert len(fd_store.fds()) == 1
    assert [is_refused(port) for port in ports] == [True, False]


def test_only_changes_of_a_route_are_sent(fd_store: FdStore, store_client: FdStoreClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        store_client.store(PUBLISHED, Route("10.0.0.1"), listener)
    fd_store.receive()
    restored = fd_store.contents()
    store_client.change(PUBLISHED, Route("10.0.0.1"))
    store_client.change(PublishedPort("", "TCP", 30080), Route())
    fd_store.receive()
    assert fd_store.contents() == restored
    store_client.change(PUBLISHED, Route("10.0.0.2", frozenset({"node1"})))
    fd_store.receive()
    assert [stored.state for stored in fd_store.contents()] == ['["10.0.0.2", ["node1"], false]']
    assert [stored.fd for stored in fd_store.contents()] == [stored.fd for stored in restored]


def test_a_socket_over_the_limit_is_closed(
    fd_store: FdStore, store_client: FdStoreClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fairlead.relay.fdstore.MOST", 1)
    opened = len(os.listdir("/proc/self/fd"))
    for number in (1, 2):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            store_client.store(PublishedPort("", "TCP", number), Route(), listener)
    assert len(fd_store.fds()) == 1
    assert len(os.listdir("/proc/self/fd")) == opened + 1


@pytest.mark.parametrize("data", [b"no json", b"[]", b'{"key": 1, "state": ""}', b'{"key": "k"}', b"[" * 4000])
def test_nonsense_is_ignored_and_its_socket_closed(fd_store: FdStore, data: bytes) -> None:
    with socket.socket(fileno=fd_store.relay_end) as relay:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            socket.send_fds(relay, [data], [listener.fileno()])
        assert fd_store.fds() == []
        assert is_refused(port)
