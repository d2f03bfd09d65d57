"""The sockets that pid 1 keeps for the relay."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator

import pytest

from fairlead.relay.kept import Keeper
from fairlead.relay.plan import PublishedPort, Route
from fairlead.relay.vault import Vault

PUBLISHED = PublishedPort("default/web", "TCP", 80)


@pytest.fixture
def vault() -> Iterator[Vault]:
    with contextlib.closing(Vault()) as made:
        yield made


@pytest.fixture
def keeper(vault: Vault) -> Iterator[Keeper]:
    with socket.socket(fileno=vault.relay_end) as sock:
        yield Keeper(sock, ())


def is_refused(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) != 0


def test_a_socket_listens_until_it_is_dropped(vault: Vault, keeper: Keeper) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        keeper.keep(PUBLISHED, Route(), listener)
    assert len(vault.fds()) == 1
    assert not is_refused(port)
    keeper.drop(PUBLISHED)
    assert vault.fds() == []
    assert is_refused(port)


def test_a_second_socket_of_a_published_port_takes_the_place_of_the_first(vault: Vault, keeper: Keeper) -> None:
    ports = []
    for _ in range(2):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            ports.append(listener.getsockname()[1])
            keeper.keep(PUBLISHED, Route(), listener)
    assert len(vault.fds()) == 1
    assert [is_refused(port) for port in ports] == [True, False]


def test_only_a_change_is_said(vault: Vault, keeper: Keeper) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        keeper.keep(PUBLISHED, Route("10.0.0.1"), listener)
    vault.receive()
    before = vault.contents()
    keeper.change(PUBLISHED, Route("10.0.0.1"))
    keeper.change(PublishedPort("", "TCP", 30080), Route())
    vault.receive()
    assert vault.contents() == before
    keeper.change(PUBLISHED, Route("10.0.0.2", frozenset({"node1"})))
    vault.receive()
    assert [kept.state for kept in vault.contents()] == ['["10.0.0.2", ["node1"], false]']
    assert [kept.fd for kept in vault.contents()] == [kept.fd for kept in before]


def test_what_comes_when_there_is_no_room_is_closed(
    vault: Vault, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fairlead.relay.vault.MOST", 1)
    opened = len(os.listdir("/proc/self/fd"))
    for number in (1, 2):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            keeper.keep(PublishedPort("", "TCP", number), Route(), listener)
    assert len(vault.fds()) == 1
    assert len(os.listdir("/proc/self/fd")) == opened + 1
