"""Connects to a port inside a Pod: on the loopback address of its network namespace, as upstream's runtimes do."""

from __future__ import annotations

import asyncio
import os
import socket

from fairlead.net import linux

_CONNECT_S = 10.0
_WAYS = (("IPv4", "tcp4", socket.AF_INET, "127.0.0.1"), ("IPv6", "tcp6", socket.AF_INET6, "::1"))


def socket_in(netns: int, family: int, kind: int = socket.SOCK_STREAM) -> socket.socket:
    """Returns a socket of another network namespace. Nothing else of this process moves there."""
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        linux.setns(netns, linux.CLONE_NEWNET)
        try:
            sock = socket.socket(family, kind)
        finally:
            linux.setns(own, linux.CLONE_NEWNET)
    finally:
        os.close(own)
    sock.setblocking(False)
    return sock


async def dial(netns: int, port: int) -> socket.socket:
    """Tries both families. Raises OSError with what became of each."""
    problems: list[str] = []
    for name, network, family, host in _WAYS:
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            return await _connected(socket_in(netns, family), (host, port))
        except TimeoutError:
            problems.append(f"{name}: dial {network} {where}: i/o timeout")
        except OSError as error:
            why = os.strerror(error.errno).lower() if error.errno else str(error)
            problems.append(f"{name}: dial {network} {where}: connect: {why}")
    raise OSError(f"failed to connect to localhost:{port} inside the pod's network namespace, {', '.join(problems)}")


async def _connected(sock: socket.socket, address: tuple[str, int]) -> socket.socket:
    try:
        async with asyncio.timeout(_CONNECT_S):
            await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock
