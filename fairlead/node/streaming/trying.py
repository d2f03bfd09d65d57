"""Connections from a Pod's network namespace, tried for a question of the API server: closed as soon as accepted."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any

from fairlead.base.numbers import port_number
from fairlead.node.streaming.dial import socket_in

MOST = 16
_CONNECT_S = 2.0
_REFUSED = (errno.ECONNREFUSED, errno.ECONNRESET)


async def try_all(netns: int, targets: Iterable[str]) -> list[dict[str, Any]]:
    """Returns the outcome of a TCP connection to each `ADDRESS,PORT`. Raises ValueError for another text."""
    ends = [_parse(target) for target in targets]
    if len(ends) > MOST:
        raise ValueError(f"at most {MOST} connections are tried at once")
    outcomes = await asyncio.gather(*(_try(netns, *end) for end in ends))
    return [
        {"address": address, "port": port, "outcome": outcome, "detail": detail}
        for (address, port), (outcome, detail) in zip(ends, outcomes, strict=True)
    ]


def _parse(target: str) -> tuple[str, int]:
    address, _, port = target.rpartition(",")
    number = port_number(port)
    if number is None:
        raise ValueError(f"{target}: expected ADDRESS,PORT")
    return str(ip_address(address)), number


async def _try(netns: int, address: str, port: int) -> tuple[str, str]:
    """Returns the outcome, and the kernel's words if the address could not be reached."""
    sock = socket_in(netns, socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        async with asyncio.timeout(_CONNECT_S):
            await asyncio.get_running_loop().sock_connect(sock, (address, port))
    except TimeoutError:
        return "silent", ""
    except OSError as error:
        return ("refused", "") if error.errno in _REFUSED else ("unreachable", os.strerror(error.errno or 0))
    finally:
        sock.close()
    return "answered", ""
