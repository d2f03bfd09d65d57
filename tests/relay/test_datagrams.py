"""Many clients through one socket, each with a way of its own."""

from __future__ import annotations

import asyncio
import socket

from fairlead.relay import datagrams
from fairlead.relay.datagrams import MOST_CLIENTS, Datagrams


def bound() -> socket.socket:
    sock = socket.socket(type=socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    sock.bind(("127.0.0.1", 0))
    return sock


async def receive(sock: socket.socket) -> tuple[bytes, tuple[str, int]]:
    async with asyncio.timeout(2):
        data, address = await asyncio.get_running_loop().sock_recvfrom(sock, 100)
    return data, address


def test_answers_find_their_clients() -> None:
    async def go() -> None:
        loop = asyncio.get_running_loop()
        with bound() as service, bound() as one, bound() as other:
            outer = bound()
            carried = Datagrams(outer, service.getsockname)
            for client, text in ((one, b"one"), (other, b"other")):
                await loop.sock_sendto(client, text, outer.getsockname())
            seen = dict([await receive(service), await receive(service)])
            assert len(set(seen.values())) == 2
            for text in (b"other", b"one"):
                await loop.sock_sendto(service, text + b"!", seen[text])
            assert [(await receive(client))[0] for client in (one, other)] == [b"one!", b"other!"]
            assert carried.count == 2
            carried.close()
            assert carried.count == 0

    asyncio.run(go())


def test_a_client_whose_service_refused_is_met_anew() -> None:
    async def go() -> None:
        loop = asyncio.get_running_loop()
        with bound() as gone:
            address = gone.getsockname()
        with bound() as client:
            outer = bound()
            carried = Datagrams(outer, lambda: address)
            await loop.sock_sendto(client, b"lost", outer.getsockname())
            await asyncio.sleep(0.01)
            assert carried.count == 0
            with socket.socket(type=socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as service:
                service.bind(address)
                await loop.sock_sendto(client, b"found", outer.getsockname())
                assert (await receive(service))[0] == b"found"
            carried.close()

    asyncio.run(go())


def test_of_too_many_clients_the_quietest_is_forgotten() -> None:
    assert MOST_CLIENTS == datagrams.MOST_CLIENTS

    async def go() -> None:
        loop = asyncio.get_running_loop()
        with bound() as service:
            service.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            outer = bound()
            carried = Datagrams(outer, service.getsockname)
            for _ in range(300):
                with bound() as client:
                    await loop.sock_sendto(client, b"x", outer.getsockname())
                await asyncio.sleep(0)
            await asyncio.sleep(0.01)
            assert 0 < carried.count <= MOST_CLIENTS
            carried.close()

    asyncio.run(go())
