"""Many clients through one socket, each with a separate route."""

from __future__ import annotations

import asyncio
import resource
import socket

from fairlead.relay.datagrams import Datagrams

MOST_HERE = 8
"""Maximum of clients, with a limit of 16 descriptors for each."""


def bound() -> socket.socket:
    sock = socket.socket(type=socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    sock.bind(("127.0.0.1", 0))
    return sock


async def receive(sock: socket.socket) -> tuple[bytes, tuple[str, int]]:
    async with asyncio.timeout(30):
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


def test_a_client_whose_service_refused_can_connect_again() -> None:
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
    async def go() -> None:
        loop = asyncio.get_running_loop()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with bound() as service, bound() as quiet, bound() as busy:
            outer = bound()
            resource.setrlimit(resource.RLIMIT_NOFILE, (16 * MOST_HERE, hard))
            try:
                carried = Datagrams(outer, service.getsockname)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

            async def ask(client: socket.socket) -> tuple[str, int]:
                await loop.sock_sendto(client, b"x", outer.getsockname())
                return (await receive(service))[1]

            first = [await ask(client) for client in (quiet, busy)]
            for _ in range(MOST_HERE):
                with bound() as client:
                    await ask(client)
                assert await ask(busy) == first[1]
            assert carried.count == MOST_HERE
            assert await ask(quiet) != first[0], "its socket was closed"
            carried.close()

    asyncio.run(go())
