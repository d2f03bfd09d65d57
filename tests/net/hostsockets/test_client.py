"""The sandbox's client: each reply goes to the task that asked, and sockets without a task are closed."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable

import pytest

from fairlead.net.hostsockets.client import HostSocketClient, SocketRefused
from fairlead.net.hostsockets.messages import Opened, Refused, Servers, pack, unpack

Story = Callable[[HostSocketClient, socket.socket], Awaitable[None]]


def run(story: Story, *, answer_s: float = 60.0) -> None:
    async def work() -> None:
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        there.setblocking(False)
        with here, there:
            await story(HostSocketClient(here, rng=random.Random(1), answer_s=answer_s), there)
            asyncio.get_running_loop().remove_reader(here.fileno())

    asyncio.run(work())


async def number_of(there: socket.socket) -> int:
    """Returns the number of the next request."""
    return unpack(await asyncio.get_running_loop().sock_recv(there, 4096)).number


def send_socket(there: socket.socket, number: int) -> socket.socket:
    """Answers with one end of a socket pair and returns the other."""
    passed, other_end = socket.socketpair()
    with passed:
        socket.send_fds(there, [pack(number, Opened(80))], [passed.fileno()])
    other_end.setblocking(False)
    return other_end


def test_replies_in_another_order_reach_the_tasks_that_asked() -> None:
    async def story(client: HostSocketClient, there: socket.socket) -> None:
        asked = [asyncio.create_task(client.servers()) for _ in range(2)]
        first, second = await number_of(there), await number_of(there)
        there.send(pack(second, Servers(("b:53",))))
        there.send(pack(first, Servers(("a:53",))))
        assert await asyncio.gather(*asked) == [("a:53",), ("b:53",)]

    run(story)


def test_a_refusal_says_why() -> None:
    async def story(client: HostSocketClient, there: socket.socket) -> None:
        asked = asyncio.create_task(client.listen(80))
        there.send(pack(await number_of(there), Refused("port 80 needs root here")))
        with pytest.raises(SocketRefused, match="port 80 needs root here"):
            await asked

    run(story)


def test_a_socket_that_arrives_after_its_task_ended_is_closed() -> None:
    async def story(client: HostSocketClient, there: socket.socket) -> None:
        asked = asyncio.create_task(client.listen(80))
        number = await number_of(there)
        asked.cancel()
        await asyncio.wait([asked])
        with send_socket(there, number) as other_end:
            assert await asyncio.get_running_loop().sock_recv(other_end, 1) == b""

    run(story)


def test_a_socket_that_arrives_in_the_turn_of_a_cancellation_is_closed() -> None:
    async def story(client: HostSocketClient, there: socket.socket) -> None:
        asked = asyncio.create_task(client.listen(80))
        number = await number_of(there)
        with send_socket(there, number) as other_end:
            client._read()
            asked.cancel()
            await asyncio.wait([asked])
            assert asked.cancelled()
            assert await asyncio.get_running_loop().sock_recv(other_end, 1) == b""

    run(story)


def test_an_end_of_the_supervisor_ends_the_wait() -> None:
    async def story(client: HostSocketClient, there: socket.socket) -> None:
        asked = asyncio.create_task(client.listen(80))
        await number_of(there)
        there.close()
        with pytest.raises(ConnectionResetError, match="the supervisor is gone"):
            await asked

    run(story)


def test_a_supervisor_that_does_not_answer_is_an_error() -> None:
    async def story(client: HostSocketClient, there: socket.socket) -> None:
        del there
        with pytest.raises(TimeoutError):
            await client.listen(80)

    run(story, answer_s=0.01)
