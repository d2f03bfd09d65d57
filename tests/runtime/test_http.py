from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest
from aiohttp import web

from fairlead.api.core.configmap.kind import CONFIG_MAP, ConfigMap
from fairlead.api.meta.types import ObjectMeta
from fairlead.machinery.status import StatusError, not_found
from fairlead.runtime.http import HttpTransport
from fairlead.runtime.streams import closing
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
        seen.append((request.method, request.path_qs, await request.text()))
        return web.json_response({"metadata": {"name": "a", "resourceVersion": "3"}, "items": [{"data": {"x": "1"}}]})

    async def story(client: ApiClient) -> None:
        found = await client.list(CONFIG_MAP, "default", labels="app in (a,b)")
        assert [(item.kind, item.data) for item in found.items] == [("ConfigMap", {"x": "1"})]

    asyncio.run(against(handler, story))
    assert seen == [("GET", "/api/v1/namespaces/default/configmaps?labelSelector=app+in+(a,b)", "")]


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


def test_nobody_listening_is_a_connection_error() -> None:
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
