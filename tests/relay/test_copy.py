"""Dialling, bytes both ways, half-close, resets, back-pressure, and what is left over: nothing."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import socket
import time
from collections.abc import Awaitable, Callable

import pytest

from fairlead.relay.copy import Pump

Body = Callable[[socket.socket, socket.socket], Awaitable[None]]


@pytest.fixture
def joined() -> Callable[[Body], None]:
    """Runs a body with the two outer ends of a carried connection; afterwards nothing is left of it."""

    async def run(body: Body) -> None:
        pump, (client, peer) = Pump(), tcp_pair()
        with socket.create_server(("127.0.0.1", 0)) as service:
            pump.carry(peer, [service.getsockname()])
            server, _ = service.accept()
        server.setblocking(False)
        with client, server:
            async with asyncio.timeout(10):
                await body(client, server)
        await until(lambda: pump.count == 0)
        assert pump.half == set()

    return lambda body: asyncio.run(run(body))


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = socket.create_connection(server.getsockname())
        other, _ = server.accept()
    for sock in (one, other):
        sock.setblocking(False)
    return one, other


async def until(probe: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not probe():  # noqa: ASYNC110 -- looks at what no event tells
            await asyncio.sleep(0.002)


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


def test_a_side_that_does_not_read_stops_the_other_one(joined: Callable[[Body], None]) -> None:
    async def body(client: socket.socket, server: socket.socket) -> None:
        sent, block = 0, bytes(1 << 16)
        quiet = 0
        while quiet < 20:
            try:
                sent += client.send(block)
                quiet = 0
            except BlockingIOError:
                quiet += 1
                await asyncio.sleep(0.01)
        assert sent < 64 << 20
        busy = time.process_time()
        await asyncio.sleep(0.3)
        assert time.process_time() - busy < 0.1, "it polls while it waits"
        client.shutdown(socket.SHUT_WR)
        assert len(await receive(server)) == sent

    joined(body)


def test_half_of_a_connection_may_last(joined: Callable[[Body], None]) -> None:
    async def body(client: socket.socket, server: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        client.shutdown(socket.SHUT_WR)
        assert await receive(server) == b""
        busy = time.process_time()
        for _ in range(5):
            await asyncio.sleep(0.05)
            await loop.sock_sendall(server, b"more ")
        assert time.process_time() - busy < 0.1, "it polls the side that has finished"
        server.shutdown(socket.SHUT_WR)
        assert await receive(client) == b"more " * 5

    joined(body)


def carry_to(*targets: tuple[str, int]) -> str:
    """What a client gets that is carried to the first of the targets that answers."""

    async def go() -> str:
        pump, (client, peer) = Pump(), tcp_pair()
        with client:
            pump.carry(peer, targets)
            try:
                answer = (await receive(client)).decode()
            except OSError as error:
                answer = type(error).__name__
        await until(lambda: pump.count == 0)
        return answer

    return asyncio.run(go())


def test_who_does_not_answer_is_passed_over_and_where_nobody_does_the_client_is_reset() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        closed = nobody.getsockname()
    with socket.create_server(("127.0.0.1", 0)) as service:
        service.setblocking(False)
        assert carry_to(closed) == "ConnectionResetError"

        async def go() -> str:
            pump, (client, peer) = Pump(), tcp_pair()
            with client:
                pump.carry(peer, [closed, service.getsockname()])
                server, _ = await asyncio.get_running_loop().sock_accept(service)
                with server:
                    await asyncio.get_running_loop().sock_sendall(server, b"here")
                return (await receive(client)).decode()

        assert asyncio.run(go()) == "here"


def test_a_target_that_is_silent_costs_half_a_second_and_an_end_in_between_leaves_nothing() -> None:
    async def go() -> float:
        pump, (client, peer) = Pump(), tcp_pair()
        before = len(os.listdir("/proc/self/fd"))
        with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
            waiting = [socket.socket() for _ in range(3)]
            for sock in waiting:
                sock.setblocking(False)
                sock.connect_ex(full.getsockname())
            start = time.monotonic()
            pump.carry(peer, [full.getsockname()])
            with client:
                with contextlib.suppress(ConnectionResetError):
                    await receive(client)
                took = time.monotonic() - start
                again, peer_again = tcp_pair()
                pump.carry(peer_again, [full.getsockname()])
                pump.close()
                assert pump.count == 0
                again.close()
            for sock in waiting:
                sock.close()
        assert len(os.listdir("/proc/self/fd")) == before - 2
        return took

    assert 0.4 < asyncio.run(go()) < 2


def test_a_finished_side_that_died_is_found_out() -> None:
    async def go() -> None:
        pump, (client, peer) = Pump(), tcp_pair()
        with socket.create_server(("127.0.0.1", 0)) as service:
            pump.carry(peer, [service.getsockname()])
            server, _ = service.accept()
        client.shutdown(socket.SHUT_WR)
        await until(lambda: len(pump.half) == 1)
        (pair,) = pump.half
        pair.end_if_dead()
        assert pump.count == 1
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
        pair.end_if_dead()
        assert pump.count == 0
        server.close()

    asyncio.run(go())
