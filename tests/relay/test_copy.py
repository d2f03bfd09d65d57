"""Dialling, bytes both ways, half-close, resets, back-pressure, and what is left over: nothing."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import hashlib
import os
import random
import resource
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from fairlead.relay.copy import Pump

MOST = 1000
TCP_CLOSE = 7

Body = Callable[[socket.socket, socket.socket], Awaitable[None]]


@pytest.fixture
def joined() -> Callable[[Body], None]:
    """Runs a body with the two outer ends of a carried connection; afterwards nothing is left of it."""

    async def run(body: Body) -> None:
        pump, (client, peer) = Pump(MOST), tcp_pair()
        with socket.create_server(("127.0.0.1", 0)) as service:
            pump.carry(peer.detach(), [service.getsockname()])
            server, _ = service.accept()
        server.setblocking(False)
        with client, server:
            async with asyncio.timeout(30):
                await body(client, server)
        await until(lambda: pump.count == 0)
        pump.close()

    return lambda body: asyncio.run(run(body))


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = socket.create_connection(server.getsockname())
        other, _ = server.accept()
    for sock in (one, other):
        sock.setblocking(False)
    return one, other


async def until(probe: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
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


@pytest.mark.slow
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
        busy = time.thread_time()
        await asyncio.sleep(0.3)
        assert time.thread_time() - busy < 0.1, "it polls while it waits"
        client.shutdown(socket.SHUT_WR)
        assert len(await receive(server)) == sent

    joined(body)


@pytest.mark.slow
def test_half_of_a_connection_may_last(joined: Callable[[Body], None]) -> None:
    async def body(client: socket.socket, server: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        client.shutdown(socket.SHUT_WR)
        assert await receive(server) == b""
        busy = time.thread_time()
        for _ in range(5):
            await asyncio.sleep(0.05)
            await loop.sock_sendall(server, b"more ")
        assert time.thread_time() - busy < 0.1, "it polls the side that has finished"
        server.shutdown(socket.SHUT_WR)
        assert await receive(client) == b"more " * 5

    joined(body)


def carry_to(*targets: tuple[str, int]) -> str:
    """Returns what a client receives that is joined to the first target that answers."""

    async def go() -> str:
        pump, (client, peer) = Pump(MOST), tcp_pair()
        with client:
            pump.carry(peer.detach(), targets)
            try:
                answer = (await receive(client)).decode()
            except OSError as error:
                answer = type(error).__name__
        await until(lambda: pump.count == 0)
        return answer

    return asyncio.run(go())


def test_a_silent_target_is_skipped_and_without_any_the_client_is_reset() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        closed = nobody.getsockname()
    with socket.create_server(("127.0.0.1", 0)) as service:
        service.setblocking(False)
        assert carry_to(closed) == "ConnectionResetError"

        async def go() -> str:
            pump, (client, peer) = Pump(MOST), tcp_pair()
            with client:
                pump.carry(peer.detach(), [closed, service.getsockname()])
                server, _ = await asyncio.get_running_loop().sock_accept(service)
                with server:
                    await asyncio.get_running_loop().sock_sendall(server, b"here")
                return (await receive(client)).decode()

        assert asyncio.run(go()) == "here"


@pytest.mark.slow
def test_a_target_that_is_silent_costs_half_a_second_and_an_end_in_between_leaves_nothing() -> None:
    async def go() -> float:
        gc.collect()  # what tests before this one left would else go in between
        pump, (client, peer) = Pump(MOST), tcp_pair()
        before = len(os.listdir("/proc/self/fd"))
        with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
            waiting = [socket.socket() for _ in range(3)]
            for sock in waiting:
                sock.setblocking(False)
                sock.connect_ex(full.getsockname())
            start = time.monotonic()
            pump.carry(peer.detach(), [full.getsockname()])
            with client:
                with contextlib.suppress(ConnectionResetError):
                    await receive(client)
                took = time.monotonic() - start
                again, peer_again = tcp_pair()
                pump.carry(peer_again.detach(), [full.getsockname()])
                pump.close()
                assert pump.count == 0
                again.close()
            for sock in waiting:
                sock.close()
        assert len(os.listdir("/proc/self/fd")) == before - 3, "the two clients, and the pump's epoll"
        return took

    assert 0.4 < asyncio.run(go()) < 20, "as if the kernel's attempts were waited for, over two minutes"


def test_a_finished_side_that_died_is_found_out(joined: Callable[[Body], None]) -> None:
    async def body(client: socket.socket, server: socket.socket) -> None:
        client.shutdown(socket.SHUT_WR)
        assert await receive(server) == b""
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
        await until(lambda: server.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == TCP_CLOSE)

    joined(body)


@contextlib.asynccontextmanager
async def accepting(*, target: tuple[str, int], errors: list[OSError]) -> AsyncIterator[tuple[Pump, socket.socket]]:
    """A pump that carries what comes to a listener."""
    pump = Pump(MOST)
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        listener.setblocking(False)
        pump.accept_from(listener, lambda: [target], errors.append)
        yield pump, listener
        pump.stop_accepting(listener)
    pump.close()


def test_many_connections_of_any_length_arrive_whole_each_at_its_own_peer() -> None:
    rng = random.Random(20)
    sizes = [rng.choice((0, 1, 100, 70_000, 256 * 1024, 256 * 1024 + 1, 3_000_000)) for _ in range(120)]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The same, backwards, once all of it is there."""
        with contextlib.closing(writer):
            writer.write((await reader.read())[::-1])
            await writer.drain()

    async def ask(address: tuple[str, int], number: int, size: int) -> None:
        text = (number.to_bytes(4, "big") * (size // 4 + 1))[:size]
        reader, writer = await asyncio.open_connection(*address)
        with contextlib.closing(writer):
            writer.write(text)
            writer.write_eof()
            assert await reader.read() == text[::-1]

    async def go() -> None:
        service = await asyncio.start_server(answer, "::1", 0, backlog=256)
        async with service, accepting(target=service.sockets[0].getsockname()[:2], errors=[]) as (pump, listener):
            async with asyncio.timeout(30), asyncio.TaskGroup() as group:
                for number, size in enumerate(sizes):
                    group.create_task(ask(listener.getsockname(), number, size))
            await until(lambda: pump.count == 0)

    asyncio.run(go())


def test_a_crowd_at_one_listener_ends_neither_older_connections_nor_those_of_another_listener() -> None:
    async def go() -> None:
        loop, most, pump = asyncio.get_running_loop(), 8, Pump(8)
        errors: list[OSError] = []
        with contextlib.ExitStack() as opened:
            service, crowded, other = (
                opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=64)) for _ in range(3)
            )
            for listener in (crowded, other):
                listener.setblocking(False)
                pump.accept_from(listener, lambda: [service.getsockname()], errors.append)

            async def client(at: socket.socket) -> socket.socket:
                made = opened.enter_context(socket.socket())
                made.setblocking(False)
                await loop.sock_connect(made, at.getsockname())
                return made

            crowd = [await client(crowded) for _ in range(most)]
            await until(lambda: pump.count == most)
            with pytest.raises(ConnectionResetError):
                await loop.sock_recv(await client(crowded), 1)
            for number in range(1, most // 2 + 1):
                elsewhere = await client(other)
                with pytest.raises(ConnectionResetError):  # the newest of the crowd makes room
                    await loop.sock_recv(crowd[-number], 1)
                assert pump.count == most
            carried = [opened.enter_context(service.accept()[0]) for _ in range(most + most // 2)]
            for end in (crowd[0], elsewhere):
                await loop.sock_sendall(end, b"still here")
            for at in (0, -1):
                carried[at].setblocking(False)
                assert await loop.sock_recv(carried[at], 100) == b"still here"
            for end in (*crowd, *carried[:most]):
                end.close()
            await until(lambda: pump.count == most // 2)
            await client(crowded)
            await until(lambda: pump.count == most // 2 + 1)
            for listener in (crowded, other):
                pump.stop_accepting(listener)
            pump.close()
        assert pump.count == 0
        assert errors == []

    asyncio.run(asyncio.wait_for(go(), 30))


def test_a_listener_without_descriptors_reports_once_and_can_be_reopened() -> None:
    async def go() -> None:
        errors: list[OSError] = []
        with socket.create_server(("127.0.0.1", 0)) as service:
            async with accepting(target=service.getsockname(), errors=errors) as (pump, listener):
                client = socket.socket()
                limits = resource.getrlimit(resource.RLIMIT_NOFILE)
                lowest = os.dup(0)
                os.close(lowest)
                resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, limits[1]))
                try:
                    client.connect(listener.getsockname())
                    await until(lambda: bool(errors))
                    busy = time.thread_time()
                    await asyncio.sleep(0.1)
                    assert time.thread_time() - busy < 0.05, "it tries without a pause"
                finally:
                    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
                assert [error.errno for error in errors] == [errno.EMFILE]
                pump.accept_from(listener, lambda: [service.getsockname()], errors.append)
                await until(lambda: pump.count == 1)
                with client, service.accept()[0] as server:
                    client.sendall(b"in the end")
                    server.setblocking(False)
                    assert await asyncio.get_running_loop().sock_recv(server, 100) == b"in the end"

    asyncio.run(go())
