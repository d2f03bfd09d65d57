"""The HTTP server that all components share, among clients that open much and send little."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import resource
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop
from aiohttp import web

from fairlead.base.clock import RealClock
from fairlead.cmd.cluster.config import ClusterConfig
from fairlead.cmd.wiring import pki, tls
from fairlead.runtime.connections import Limits
from fairlead.runtime.serving import UPSTREAM, Handler, HttpServer, Times

pytestmark = pytest.mark.slow
FEW = Limits(unauthenticated=8, authenticated=8)
Story = Callable[["At"], Awaitable[None]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki")
    config, clock = ClusterConfig("test"), RealClock()
    pki.make(pki.missing(config, folder, clock=clock), folder, clock=clock)
    return folder


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Runs a story beside a server on both event loops."""

    def start(story: Story, **more: Any) -> None:
        async def main() -> None:
            async with serving(**more) as at, asyncio.timeout(30):
                await story(at)

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(main())

    return start


class At:
    def __init__(self, server: HttpServer, port: int, folder: Path | None) -> None:
        self.server = server
        self.port = port
        self.folder = folder

    async def open(self, data: bytes = b"", **more: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, **more)
        writer.write(data)
        await writer.drain()
        return reader, writer

    async def good(self) -> None:
        """A client like any other is served."""
        context = tls.client(self.folder, "admin") if self.folder else None
        reader, writer = await self.open(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", ssl=context)
        try:
            assert b"200 OK" in await reader.read()
        finally:
            writer.close()


@asynccontextmanager
async def serving(folder: Path | None = None, times: Times = UPSTREAM, limits: Limits = FEW) -> AsyncIterator[At]:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="good")

    context: ssl.SSLContext | None = tls.server(folder, "apiserver", require_client=False) if folder else None
    server = HttpServer(web.Server(answer), tls=context, limits=limits, times=times)
    sock = socket.create_server(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    await server.start([sock])
    try:
        yield At(server, port, folder)
    finally:
        await server.stop(0.1)


def test_many_half_open_handshakes_do_not_keep_a_client_out(
    run: Callable[..., None], folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hello = b"\x16\x03\x01\x02\x00\x01\x00"  # the beginning of a ClientHello

    async def story(at: At) -> None:
        async with AsyncExitStack() as stack:
            for data in (b"", hello, b"GET / HTTP/1.1\r\n", b"\xff" * 99) * 10:
                _, writer = await at.open(data)
                stack.callback(writer.close)
            await at.good()
            assert len(at.server.connections) <= FEW.unauthenticated

    run(story, folder=folder)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_many_idle_connections_and_slow_heads_do_not_keep_a_client_out(run: Callable[..., None]) -> None:
    async def story(at: At) -> None:
        async with AsyncExitStack() as stack:
            for data in (b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n") * 10:
                _, writer = await at.open(data)
                stack.callback(writer.close)
            await at.good()
            assert len(at.server.connections) <= FEW.unauthenticated

    run(story)


def test_a_handshake_and_a_head_have_a_limit_of_time(run: Callable[..., None], folder: Path) -> None:
    async def story(at: At) -> None:
        for data in (b"", b"\x16\x03\x01"):
            reader, writer = await at.open(data)
            assert await _rest(reader) == b""
            writer.close()
        reader, writer = await at.open(b"GET / HTTP/1.1\r\nHost", ssl=tls.client(folder, "admin"))
        assert await _rest(reader) == b""
        writer.close()

    run(story, folder=folder, times=Times(head_s=0.1))


def test_a_connection_is_closed_if_no_other_request_comes(run: Callable[..., None]) -> None:
    async def story(at: At) -> None:
        for beginning in (b"", b"GET / HTTP/1.1\r\n"):
            reader, writer = await at.open(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + beginning)
            assert (await _rest(reader)).endswith(b"good")
            writer.close()

    run(story, times=Times(idle_s=0.1))


def test_a_head_without_end_is_not_kept(run: Callable[..., None]) -> None:
    async def story(at: At) -> None:
        reader, writer = await at.open(b"GET / HTTP/1.1\r\n")
        try:
            for number in range(100):
                writer.write(b"X-%d: %b\r\n" % (number, b"x" * 60_000))
                await writer.drain()
        except ConnectionError:
            pass
        assert b"200" not in await _rest(reader)
        writer.close()
        await at.good()

    run(story)


def test_without_descriptors_the_oldest_unauthenticated_connection_is_closed(run: Callable[..., None]) -> None:
    async def story(at: At) -> None:
        loop = asyncio.get_running_loop()
        reader, writer = await at.open(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"good")
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with socket.socket() as client:
            client.connect(
                ("127.0.0.1", at.port)
            )  # accepted by the kernel: the server does not run before the next line
            client.setblocking(False)
            resource.setrlimit(resource.RLIMIT_NOFILE, (_lowest_free(), hard))
            try:
                await loop.sock_sendall(client, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert await loop.sock_recv(client, 4096)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert await _rest(reader) == b""
        writer.close()

    run(story)


def test_closed_connections_need_no_garbage_collector(run: Callable[..., None], folder: Path) -> None:
    async def story(at: At) -> None:
        for number in range(6):
            data = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" if number % 2 else b"GET / HT"
            reader, writer = await at.open(data, ssl=tls.client(folder, "admin"))
            if number % 2:
                await reader.readuntil(b"good")
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        while len(at.server.connections):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        while any(isinstance(one, Handler) for one in gc.get_objects()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    gc.collect()
    gc.disable()
    try:
        run(story, folder=folder)
    finally:
        gc.enable()


def _lowest_free() -> int:
    fd = os.dup(0)
    os.close(fd)
    return fd


async def _rest(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""
