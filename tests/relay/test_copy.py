"""Bytes both ways, half-close, resets, and a reader too slow for its writer; on asyncio's own loop."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from collections.abc import Awaitable, Callable

import pytest

from fairlead.relay.copy import CopyBuffer, join

Body = Callable[[socket.socket, socket.socket], Awaitable[None]]


@pytest.fixture
def joined() -> Callable[[Body], None]:
    """Runs a body with the two outer ends of a joined connection."""

    async def run(body: Body) -> None:
        first, relay_first = tcp_pair()
        second, relay_second = tcp_pair()
        with first, second:
            await join(relay_first, relay_second, CopyBuffer())
            async with asyncio.timeout(10):
                await body(first, second)
            for sock in (first, second):
                sock.close()
            await asyncio.sleep(0.01)  # the relay's ends notice, and close

    return lambda body: asyncio.run(run(body))


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = socket.create_connection(server.getsockname())
        other, _ = server.accept()
    for sock in (one, other):
        sock.setblocking(False)
    return one, other


async def receive(sock: socket.socket) -> bytes:
    """All until the other side has finished."""
    loop, parts = asyncio.get_running_loop(), []
    while data := await loop.sock_recv(sock, 1 << 16):
        parts.append(data)
    return b"".join(parts)


def test_one_side_finishes_and_the_other_still_answers(joined: Callable[[Body], None]) -> None:
    async def body(client: socket.socket, server: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(client, b"question")
        client.shutdown(socket.SHUT_WR)
        assert await receive(server) == b"question"
        await loop.sock_sendall(server, b"answer")
        server.shutdown(socket.SHUT_WR)
        assert await receive(client) == b"answer"

    joined(body)


def test_a_reset_stays_a_reset(joined: Callable[[Body], None]) -> None:
    async def body(client: socket.socket, server: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(client, b"half an")
        assert await loop.sock_recv(server, 100) == b"half an"
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
        with pytest.raises(ConnectionResetError):
            await receive(server)

    joined(body)


def test_much_data_arrives_whole_both_ways_at_once(joined: Callable[[Body], None]) -> None:
    block = hashlib.sha256(b"seed").digest() * 32768
    data = block * 8

    async def send(sock: socket.socket) -> None:
        await asyncio.get_running_loop().sock_sendall(sock, data)
        sock.shutdown(socket.SHUT_WR)

    async def body(client: socket.socket, server: socket.socket) -> None:
        async with asyncio.TaskGroup() as group:
            got = [group.create_task(receive(sock)) for sock in (client, server)]
            for sock in (client, server):
                group.create_task(send(sock))
        assert [task.result() == data for task in got] == [True, True]

    joined(body)
