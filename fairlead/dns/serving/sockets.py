"""Listening sockets of the server. Apart from `server`, so that a server without queries need not load it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from contextlib import ExitStack

Pair = tuple[socket.socket, socket.socket]
"""The UDP and the TCP socket of one address and port."""


def listening(port: int, *, address: str = "") -> list[Pair]:
    """Opens UDP and TCP sockets on one address, or on every address (also of IPv6 if the host has it)."""
    families = [socket.AF_INET6 if ":" in address else socket.AF_INET]
    if not address and socket.has_dualstack_ipv6():
        families.append(socket.AF_INET6)
    return [_pair(family, address or ("::" if family == socket.AF_INET6 else ""), port) for family in families]


def _pair(family: socket.AddressFamily, address: str, port: int) -> Pair:
    with ExitStack() as opened:
        udp = opened.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        tcp = opened.enter_context(socket.socket(family, socket.SOCK_STREAM))
        for sock in (udp, tcp):
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        udp.bind((address, port))
        tcp.bind((address, udp.getsockname()[1]))
        tcp.listen(256)
        tcp.setblocking(False)
        opened.pop_all()
    return udp, tcp


async def first_question(sockets: Sequence[Pair]) -> None:
    """Waits until a socket is readable; reads nothing."""
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    every = [sock for pair in sockets for sock in pair]
    for sock in every:
        loop.add_reader(sock.fileno(), asked.set)
    try:
        await asked.wait()
    finally:
        for sock in every:
            loop.remove_reader(sock.fileno())
