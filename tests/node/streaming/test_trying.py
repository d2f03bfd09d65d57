"""Connections that a node tries from a Pod's network namespace."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import cast

import pytest

from fairlead.net.netlink.model import set_up
from fairlead.net.netlink.run import Netlink
from fairlead.node.streaming.trying import MOST, try_all
from tests.net.sandbox import in_sandbox


def _try_in_own_namespace() -> list[tuple[str, str]]:
    with Netlink() as netlink:
        netlink.execute([set_up(socket.if_nametoindex("lo"))])
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        numbers = [one.getsockname()[1] for one in (server, closed)]
        netns = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            targets = [*(f"127.0.0.1,{number}" for number in numbers), "192.0.2.1,80"]
            found = asyncio.run(try_all(netns, targets))
        finally:
            os.close(netns)
    return [(one["outcome"], one["detail"]) for one in found]


@pytest.mark.kernel
def test_outcomes_are_accepted_refused_and_out_of_reach() -> None:
    outcomes = in_sandbox(_try_in_own_namespace)
    assert outcomes == [("answered", ""), ("refused", ""), ("unreachable", "Network is unreachable")]


def _ask_in_own_namespace() -> list[tuple[str, str]]:
    with Netlink() as netlink:
        netlink.execute([set_up(socket.if_nametoindex("lo"))])

    async def main() -> list[tuple[str, str]]:
        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 " + await reader.readexactly(4))
            await writer.drain()
            writer.close()

        async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        loop = asyncio.get_running_loop()
        async with (
            await asyncio.start_server(greet, "127.0.0.1", 0) as greeting,
            await asyncio.start_server(hang_up, "::1", 0) as short,
        ):
            echo, _ = await loop.create_datagram_endpoint(_Echo, local_addr=("::1", 0))
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
                closed.bind(("127.0.0.1", 0))
                free = closed.getsockname()[1]
            targets = [
                f"127.0.0.1,{greeting.sockets[0].getsockname()[1]},tcp,{b'GET '.hex()}",
                f"::1,{short.sockets[0].getsockname()[1]},tcp,{b'GET '.hex()}",
                f"::1,{echo.get_extra_info('sockname')[1]},udp,{b'ping'.hex()}",
                f"127.0.0.1,{free},udp,0a",
            ]
            netns = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            try:
                found = await try_all(netns, targets)
            finally:
                os.close(netns)
                echo.close()
        return [(one["outcome"], bytes.fromhex(one["answer"]).decode()) for one in found]

    return asyncio.run(main())


class _Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._transport.sendto(data, addr)


@pytest.mark.kernel
def test_given_bytes_are_sent_by_tcp_and_udp_and_the_first_of_the_answer_come_back() -> None:
    outcomes = in_sandbox(_ask_in_own_namespace)
    assert outcomes == [("answered", "HTTP/1.1 200 GET "), ("answered", ""), ("answered", "ping"), ("refused", "")]


@pytest.mark.parametrize(
    "targets",
    [
        ["web,80"],
        ["10.0.0.1,1,sctp"],
        ["10.0.0.1,1,tcp,zz"],
        ["10.0.0.1,1,tcp," + "00" * 1025],
        ["10.0.0.1,1,tcp,,"],
        ["10.0.0.1"],
        ["10.0.0.1,0"],
        ["10.0.0.1,x"],
        ["10.0.0.1,1"] * (MOST + 1),
    ],
)
def test_other_targets_are_refused_before_any_is_tried(targets: list[str]) -> None:
    with pytest.raises(ValueError, match=r"address|ADDRESS,PORT|at most 48|hexadecimal"):
        asyncio.run(try_all(-1, targets))
