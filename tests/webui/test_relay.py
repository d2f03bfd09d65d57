"""The relay on a loopback port: it passes bytes on and refuses foreign hosts and origins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from fairlead.base.tasks import stop
from fairlead.webui.relay import Relay, Target, check_head


def head(*lines: str) -> bytes:
    return "\r\n".join(("GET /ui/ HTTP/1.1", *lines, "", "")).encode()


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["Host: 127.0.0.1:81"], ""),
        (["host: 127.0.0.1:81", "Origin: http://127.0.0.1:81"], ""),
        (["Host: evil.test:81"], "421"),
        (["Host: localhost:81"], "421"),
        (["Host: 127.0.0.1:82"], "421"),
        (["Host: 127.0.0.1:81", "Host: evil.test"], "421"),
        ([], "421"),
        (["Host: 127.0.0.1:81", "Origin: http://evil.test"], "403"),
        (["Host: 127.0.0.1:81", "Origin: http://127.0.0.1:82"], "403"),
        (["Host: 127.0.0.1:81", "Origin: null"], "403"),
    ],
)
def test_only_its_own_pages_may_use_the_port(lines: list[str], status: str) -> None:
    refusal = check_head(head(*lines), 81)
    assert (refusal.status.split()[0] if refusal else "") == status


@asynccontextmanager
async def relayed(port: int = 0) -> AsyncIterator[tuple[Relay, list[bytes]]]:
    """Runs a relay in front of a server that notes what arrives and answers in capitals."""
    arrived: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1 << 16):
                arrived.append(data)
                writer.write(data.upper())
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    target = Target("127.0.0.1", port or server.sockets[0].getsockname()[1], None, "")
    relay = Relay(target)
    task = asyncio.ensure_future(relay.run())
    try:
        yield relay, arrived
    finally:
        await stop(task)
        server.close()
        await server.wait_closed()


async def exchange(relay: Relay, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    try:
        writer.write(data)
        return await asyncio.wait_for(reader.read(1 << 16), 5)
    finally:
        writer.close()
        await writer.wait_closed()


def test_bytes_pass_in_both_directions_unchanged_and_without_credentials() -> None:
    async def main() -> None:
        async with relayed() as (relay, arrived):
            sent = head(f"Host: 127.0.0.1:{relay.port}")
            assert await exchange(relay, sent) == sent.upper()
            assert b"".join(arrived) == sent

    asyncio.run(main())


def test_a_refused_request_does_not_reach_the_server() -> None:
    async def main() -> None:
        async with relayed() as (relay, arrived):
            assert (await exchange(relay, head("Host: evil.test"))).startswith(b"HTTP/1.1 421 ")
            assert (await exchange(relay, head("X: " + "x" * 70_000))).startswith(b"HTTP/1.1 431 ")
            assert not arrived

    asyncio.run(main())


def test_a_missing_server_is_a_page_that_says_so() -> None:
    async def main() -> None:
        closed = await asyncio.start_server(lambda _, __: None, "127.0.0.1", 0)
        port = closed.sockets[0].getsockname()[1]
        closed.close()
        await closed.wait_closed()
        async with relayed(port) as (relay, _):
            answer = await exchange(relay, head(f"Host: 127.0.0.1:{relay.port}"))
            assert answer.startswith(b"HTTP/1.1 502 ")

    asyncio.run(main())
