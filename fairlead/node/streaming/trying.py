"""Connections and datagrams from a Pod's network namespace, tried for a question of the API server.

A connection is closed as soon as it is accepted, or as soon as the first bytes of an answer to given bytes have come.

Bounds: `MOST` targets, `_MOST_BYTES` bytes to each and `_ANSWER` bytes from it, and `_WAIT_S` seconds for all.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any, NamedTuple

from fairlead.base.numbers import port_number
from fairlead.node.streaming.dial import socket_in

MOST = 48
_WAIT_S = 2.0
_MOST_BYTES, _ANSWER = 1024, 1024
_REFUSED = (errno.ECONNREFUSED, errno.ECONNRESET)
_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


class _Target(NamedTuple):
    address: str
    port: int
    protocol: str
    payload: bytes


class _Result(NamedTuple):
    outcome: str
    detail: str = ""
    """The kernel's words if the address could not be reached."""
    answer: bytes = b""


async def try_all(netns: int, targets: Iterable[str]) -> list[dict[str, Any]]:
    """Returns what becomes of each `ADDRESS,PORT[,PROTOCOL[,BYTES]]`, tried at the same time. PROTOCOL is tcp (default)
    or udp; BYTES are hexadecimal and sent. Raises ValueError for another text."""
    parsed = [_parse(target) for target in targets]
    if len(parsed) > MOST:
        raise ValueError(f"at most {MOST} targets are tried at once")
    results = await asyncio.gather(*(_try(netns, target) for target in parsed))
    return [
        {
            "address": target.address,
            "port": target.port,
            "outcome": result.outcome,
            "detail": result.detail,
            "answer": result.answer.hex(),
            "ms": ms,
        }
        for target, (result, ms) in zip(parsed, results, strict=True)
    ]


def _parse(text: str) -> _Target:
    address, port, protocol, payload, *_ = [*text.split(","), "", "", ""]
    number = port_number(port)
    if number is None or (protocol or "tcp") not in _KINDS or text.count(",") > 3 or len(payload) > 2 * _MOST_BYTES:
        raise ValueError(f"{text[:100]}: expected ADDRESS,PORT[,tcp|udp[,BYTES]]")
    return _Target(str(ip_address(address)), number, protocol or "tcp", bytes.fromhex(payload))


async def _try(netns: int, target: _Target) -> tuple[_Result, float]:
    """Returns the result and the milliseconds until it."""
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in target.address else socket.AF_INET
    sock = socket_in(netns, family, _KINDS[target.protocol])
    started = loop.time()
    try:
        result = await _exchange(loop, sock, target)
    finally:
        sock.close()
    return result, round((loop.time() - started) * 1000, 1)


async def _exchange(loop: asyncio.AbstractEventLoop, sock: socket.socket, target: _Target) -> _Result:
    connected = False
    try:
        async with asyncio.timeout(_WAIT_S):
            await loop.sock_connect(sock, (target.address, target.port))
            connected = target.protocol == "tcp"
            if target.payload:
                await loop.sock_sendall(sock, target.payload)
                return _Result("answered", answer=await loop.sock_recv(sock, _ANSWER))
    except TimeoutError:
        return _Result("answered") if connected else _Result("silent")
    except OSError as error:
        if connected:  # it was accepted, and closed instead of an answer
            return _Result("answered")
        if error.errno in _REFUSED:
            return _Result("refused")
        return _Result("unreachable", os.strerror(error.errno or 0))
    return _Result("answered")
