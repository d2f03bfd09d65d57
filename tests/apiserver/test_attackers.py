"""The TLS edge with hostile and faulty clients: they never disturb other clients."""

from __future__ import annotations

import asyncio
import gzip
import logging
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import msgspec
import pytest

from .harness import CONFIG_MAPS, config_map
from .test_http import Edge, client_tls, run

pytestmark = pytest.mark.slow


async def answer_to(at: Edge, data: bytes, *, name: str | None = "admin") -> tuple[int, dict[str, object]]:
    """Returns the first response to raw bytes: its status and its Status object."""
    port = int(at.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client_tls(at.folder, name))
    try:
        writer.write(data)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        body = msgspec.json.decode(await reader.readexactly(length))
        return int(head.split()[1]), body
    finally:
        writer.close()


def post(headers: str, body: bytes) -> bytes:
    start = f"POST {CONFIG_MAPS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{headers}\r\n"
    return start.encode() + body


PACKED = gzip.compress(msgspec.json.encode(config_map("a")))
BROKEN = {
    "gzip of four bytes": post("Content-Encoding: gzip\r\nContent-Length: 4\r\n", b"\x1f\x8b\x08\x00"),
    "a whole gzip": post(f"Content-Encoding: gzip\r\nContent-Length: {len(PACKED)}\r\n", PACKED),
    "deflate": post("Content-Encoding: deflate\r\nContent-Length: 4\r\n", b"abcd"),
    "an unknown coding": post("Content-Encoding: br\r\nContent-Length: 2\r\n", b"{}"),
    "a chunk without size": post("Transfer-Encoding: chunked\r\n", b"zz\r\n{}\r\n0\r\n\r\n"),
    "a chunk longer than said": post("Transfer-Encoding: chunked\r\n", b"2\r\n{}{}\r\n0\r\n\r\n"),
    "two lengths": post("Content-Length: 2\r\nContent-Length: 3\r\n", b"{}"),
    "a negative length": post("Content-Length: -1\r\n", b"{}"),
    "no JSON": post("Content-Length: 2\r\n", b"{["),
    "no UTF-8": post("Content-Length: 4\r\n", b'"\xff\xfe"'),
}


@pytest.mark.parametrize("name", [None, "admin"])
@pytest.mark.parametrize("what", sorted(BROKEN))
def test_a_broken_body_is_refused_without_a_line_in_the_log(
    what: str,
    name: str | None,
    certificates: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story(at: Edge) -> None:
        status, body = await answer_to(at, BROKEN[what], name=name)
        assert status in ((400,) if name else (400, 403))
        assert (body["kind"], body["code"]) == ("Status", status)
        async with at.session.get(at.url + CONFIG_MAPS) as response:
            assert (await response.json())["items"] == []

    with caplog.at_level(logging.DEBUG):
        run(certificates, story)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_target_of_any_form_is_answered_without_a_line_in_the_log(
    certificates: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story(at: Edge) -> None:
        for line in ("CONNECT x:443", "OPTIONS *", "GET x", "PUT x", "GET ?a=b"):
            status, body = await answer_to(at, f"{line} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert (body["kind"], body["code"]) == ("Status", status), line
            assert status in (400, 404), line
        status, body = await answer_to(at, f"GET https://x{CONFIG_MAPS}?limit=1 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert (status, body["kind"]) == (200, "ConfigMapList")

    with caplog.at_level(logging.DEBUG):
        run(certificates, story)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_body_that_ends_too_early_leaves_no_line_in_the_log(
    certificates: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story(at: Edge) -> None:
        port = int(at.url.rpartition(":")[2])
        for framing in (b"Content-Length: 100\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n5\r\n{"):
            for name in (None, "admin"):
                _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client_tls(at.folder, name))
                writer.write(post("", b"").removesuffix(b"\r\n") + framing)
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        async with at.session.post(at.url + CONFIG_MAPS, json=config_map("a")) as response:
            assert response.status == 201

    with caplog.at_level(logging.DEBUG):
        run(certificates, story)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_the_body_of_an_unauthenticated_request_is_not_read(certificates: Path) -> None:
    async def story(at: Edge) -> None:
        head = post("Content-Length: 3000000\r\n", b"")
        status, body = await answer_to(at, head, name=None)  # the body never arrives
        assert (status, body["reason"]) == (403, "Forbidden")
        head = post("Content-Length: 3000000\r\nImpersonate-User: jane\r\n", b"")
        status, body = await answer_to(at, head)
        assert (status, body["reason"]) == (403, "Forbidden")

    run(certificates, story)


def test_half_open_handshakes_and_idle_unauthenticated_connections_do_not_affect_known_clients(
    certificates: Path,
) -> None:
    attackers = 400  # more than the server allows for anonymous clients

    async def story(at: Edge) -> None:
        port = int(at.url.rpartition(":")[2])
        query = {"watch": "1", "resourceVersion": str(at.api.revision)}
        async with AsyncExitStack() as stack, at.session.get(at.url + CONFIG_MAPS, params=query) as watch:
            for number in range(attackers):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                stack.callback(writer.close)
                writer.write(b"\x16\x03\x01" if number % 2 else b"")
            for number in range(3):
                tls = client_tls(at.folder)  # a new connection, with a new handshake
                async with (
                    aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as good,
                    good.post(at.url + CONFIG_MAPS, json=config_map(f"a{number}")) as response,
                ):
                    assert response.status == 201
                assert b"ADDED" in await watch.content.readline()
            server = at.api.server._edge._server
            assert server is not None
            assert len(server.connections) < attackers

    run(certificates, story)
