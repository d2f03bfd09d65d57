"""Probes at IPv6 addresses: how they are written in what is asked and in what is told."""

from __future__ import annotations

import asyncio
import socket

import pytest

from fairlead.api.container import Container
from fairlead.api.probe import HTTPGetAction
from fairlead.node.probing import http_get

pytestmark = pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 on this host")


async def _asked() -> tuple[str | None, str | None, str]:
    heads: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        writer.close()

    container = Container(name="c", image="x")
    server = await asyncio.start_server(answer, "::1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        good = await http_get(HTTPGetAction(port=port, path="/x"), container, "::1", 5)
    refused = await http_get(HTTPGetAction(port=port, host="::1"), container, "127.0.0.1", 5)
    return good, refused and refused.replace(str(port), "80"), heads[0].replace(str(port), "80")


def test_an_ipv6_address_stands_in_brackets() -> None:
    good, refused, head = asyncio.run(_asked())
    assert good is None
    assert head.startswith("GET /x HTTP/1.1\r\nHost: [::1]:80\r\n")
    assert refused == 'Get "http://[::1]:80/": dial tcp [::1]:80: connect: connection refused'
