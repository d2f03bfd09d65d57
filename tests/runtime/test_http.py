from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import pytest
from aiohttp import web

from fairlead.api.core.configmap.kind import CONFIG_MAP, ConfigMap
from fairlead.api.meta.types import ObjectMeta
from fairlead.machinery.values.status import StatusError, not_found
from fairlead.runtime.http import HttpTransport
from fairlead.runtime.streams import closing
from fairlead.runtime.transport import Request
from fairlead.runtime.typed import ApiClient

R = TypeVar("R")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def against(handler: Handler, story: Callable[[ApiClient], Awaitable[R]]) -> R:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, listener).start()
    transport = HttpTransport(f"http://127.0.0.1:{listener.getsockname()[1]}", ssl_context=None)
    try:
        return await story(ApiClient(transport))
    finally:
        await transport.close()
        await runner.cleanup()


def test_requests_carry_method_path_query_and_body() -> None:
    seen: list[Any] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((request.method, request.path, dict(request.query), await request.text()))
        return web.json_response({"metadata": {"name": "a", "resourceVersion": "3"}, "items": [{"data": {"x": "1"}}]})

    async def story(client: ApiClient) -> None:
        found = await client.list(CONFIG_MAP, "default", labels="app in (a,b)")
        assert [(item.kind, item.data) for item in found.items] == [("ConfigMap", {"x": "1"})]

    asyncio.run(against(handler, story))
    assert seen == [("GET", "/api/v1/namespaces/default/configmaps", {"labelSelector": "app in (a,b)"}, "")]


def test_an_error_status_becomes_a_status_error() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response(not_found("configmaps", "", "a").body(), status=404)

    async def story(client: ApiClient) -> None:
        with pytest.raises(StatusError) as caught:
            await client.create(CONFIG_MAP, ConfigMap(metadata=ObjectMeta(name="a", namespace="x")))
        assert (caught.value.code, caught.value.reason) == (404, "NotFound")

    asyncio.run(against(handler, story))


def test_a_watch_yields_lines_of_any_length_and_ends_in_the_error_event() -> None:
    big = "x" * 300_000

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        line = f'{{"type":"ADDED","object":{{"metadata":{{"name":"a"}},"data":{{"k":"{big}"}}}}}}\n'.encode()
        await response.write(line[:100])
        await response.write(line[100:] + line)
        await response.write(b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}\n')
        return response

    async def story(client: ApiClient) -> None:
        async with closing(client.watch(CONFIG_MAP, resource_version="1")) as events:
            lengths = [len((await anext(events)).object.data["k"]) for _ in range(2)]
            with pytest.raises(StatusError) as caught:
                await anext(events)
        assert caught.value.code == 410
        assert lengths == [300_000, 300_000]

    asyncio.run(against(handler, story))


def test_a_closed_port_is_a_connection_error() -> None:
    async def story() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        transport = HttpTransport(f"http://127.0.0.1:{port}", ssl_context=None)
        with pytest.raises(ConnectionError):
            await ApiClient(transport).get(CONFIG_MAP, "a", "b")
        with pytest.raises(ConnectionError):
            async for _ in ApiClient(transport).watch(CONFIG_MAP, resource_version="1"):
                pass
        await transport.close()

    asyncio.run(story())


class Scripted:
    """A server of bytes: each connection answers its requests with the next of its texts, and closes after the last."""

    def __init__(self, *connections: Sequence[bytes]) -> None:
        self._scripts = list(connections)
        self.seen: list[tuple[int, str]] = []
        """The number of the connection and the request line of each request."""
        self.number = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.number += 1
        number, script = self.number, self._scripts.pop(0)
        for answer in script:
            head = await reader.readuntil(b"\r\n\r\n")
            self.seen.append((number, head.split(b"\r\n")[0].decode()))
            writer.write(answer)
        writer.close()


async def scripted(server: Scripted, story: Callable[[HttpTransport], Awaitable[R]]) -> R:
    listener = await asyncio.start_server(server.handle, "127.0.0.1", 0)
    transport = HttpTransport(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/base/", ssl_context=None)
    try:
        return await story(transport)
    finally:
        await transport.close()
        listener.close()
        await listener.wait_closed()


def get(path: str = "/x") -> Request:
    return Request("GET", path, {}, {})


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
UNTIL_CLOSED = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok"


def test_a_connection_is_used_again_and_replaced_when_the_server_closes_it() -> None:
    server = Scripted([OK, CHUNKED], [UNTIL_CLOSED], [OK])

    async def story(transport: HttpTransport) -> None:
        for _ in range(4):
            assert (await transport.request(get())).body == b"ok"

    asyncio.run(scripted(server, story))
    assert server.seen == [(n, "GET /base/x HTTP/1.1") for n in (1, 1, 2, 3)]


def test_a_write_on_a_connection_that_was_closed_meanwhile_is_not_repeated() -> None:
    server = Scripted([OK, b""], [OK])

    async def story(transport: HttpTransport) -> None:
        await transport.request(get())
        with pytest.raises(ConnectionError):
            await transport.request(Request("POST", "/x", {}, {}, b"{}"))

    asyncio.run(scripted(server, story))
    assert [line.split()[0] for _, line in server.seen] == ["GET", "POST"]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nok",
        b"not HTTP at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok",
    ],
)
def test_an_answer_that_is_cut_off_or_broken_is_a_connection_error(answer: bytes) -> None:
    async def story(transport: HttpTransport) -> None:
        with pytest.raises(ConnectionError):
            await transport.request(get())

    asyncio.run(scripted(Scripted([answer]), story))


def test_interim_answers_are_skipped() -> None:
    async def story(transport: HttpTransport) -> None:
        assert (await transport.request(get())).status == 200

    asyncio.run(scripted(Scripted([b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK]), story))


def test_the_token_is_read_for_each_request() -> None:
    tokens = iter(["one", "two"])
    seen: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.headers["Authorization"])
        return web.Response()

    async def main() -> None:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", handler)
        runner = web.AppRunner(app)
        await runner.setup()
        listener = socket.create_server(("127.0.0.1", 0))
        await web.SockSite(runner, listener).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        transport = HttpTransport(url, ssl_context=None, token=lambda: next(tokens))
        await transport.request(get())
        await transport.request(get())
        await transport.close()
        await runner.cleanup()

    asyncio.run(main())
    assert seen == ["Bearer one", "Bearer two"]
