"""Requests through the API server to an endpoint, with real connections in the test's network namespace."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from ipaddress import IPv4Interface
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from fairlead.apiserver.auth.authentication import Credentials
from fairlead.apiserver.extensions import Extensions
from fairlead.apiserver.model import SYSTEM, User
from fairlead.net.netlink import model as netlink
from fairlead.net.netlink.run import Netlink
from tests.net.sandbox import in_sandbox

from .harness import PODS, SERVICES, Api, pod, service, start, story

BACKEND = "10.244.1.2"
PROXY = f"{SERVICES}/web/proxy"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"


def endpoint_slice(*addresses: str, ready: bool = True, port: int = 8080, name: str = "") -> dict[str, Any]:
    return {
        "metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [a], "conditions": {"ready": ready}} for a in addresses],
        "ports": [{"name": name, "port": port}],
    }


@story
async def test_requests_that_cannot_be_proxied_get_upstreams_text(api: Api) -> None:
    async def refusal(path: str) -> tuple[int, str]:
        error = await api.error("GET", path)
        return error.code, error.message

    assert await refusal(PROXY) == (404, 'services "web" not found')
    await api.ok("POST", SERVICES, service("web"))
    assert await refusal(f"{PROXY}/") == (503, 'no endpoints available for service "web"')
    assert await refusal(f"{SERVICES}/web:http/proxy/a/b") == (503, 'no endpoints available for service "web:http"')
    assert await refusal(f"{SERVICES}/web:99/proxy/") == (503, 'no service port 99 found for service "web"')
    assert await refusal(f"{SERVICES}/a:b:c:d/proxy/") == (400, 'invalid service request "a:b:c:d"')
    await api.ok("POST", SLICES, endpoint_slice("203.0.113.9", ready=False))
    assert await refusal(f"{PROXY}/") == (503, 'no endpoints available for service "web"')
    await api.ok("POST", PODS, pod("p"))
    assert await refusal(f"{PODS}/p/proxy/") == (400, "address not allowed")
    status = {"status": {"podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}]}}
    await api.call("PATCH", f"{PODS}/p/status", status, content_type="application/merge-patch+json")
    assert await refusal(f"{PODS}/p/proxy/") == (400, "address not allowed")
    assert (await refusal("/api/v1/nodes/none/proxy/"))[0] == 404
    for i, ip in enumerate(("127.0.0.1", "::1", "::ffff:127.0.0.1", "::ffff:169.254.1.1", "fe80::1", "0.0.0.0")):
        await api.ok("POST", "/api/v1/nodes", {"metadata": {"name": f"n{i}"}})
        status = {"status": {"addresses": [{"type": "InternalIP", "address": ip}]}}
        await api.call("PATCH", f"/api/v1/nodes/n{i}/status", status, content_type="application/merge-patch+json")
        assert await refusal(f"/api/v1/nodes/n{i}/proxy/") == (400, "address not allowed")
    assert (await refusal("/api/v1/namespaces/default/configmaps/a/proxy/"))[0] == 404


async def _echo(request: web.Request) -> web.StreamResponse:
    body = await request.text()
    headers = {k: v for k, v in request.headers.items() if k.lower().startswith(("x-", "auth", "host", "cookie"))}
    seen = {"method": request.method, "path": request.raw_path, "body": body, "headers": headers}
    answer = web.json_response(seen, headers={"Access-Control-Allow-Origin": "*", "X-Own": "yes"}, status=207)
    answer.set_cookie("a", "1")
    answer.set_cookie("b", "2")
    return answer


async def _stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    async for chunk in request.content.iter_any():
        await response.write(chunk)
    return response


async def _socket(request: web.Request) -> web.StreamResponse:
    ws = web.WebSocketResponse(protocols=("chat",))
    await ws.prepare(request)
    async for message in ws:
        await ws.send_str(f"{message.data}!")
    return ws


async def _page(request: web.Request) -> web.StreamResponse:
    body = b"<a href='/other'>there</a>"
    if "zip" in request.query:
        return web.Response(body=gzip.compress(body), headers={"Content-Encoding": "gzip", "Content-Type": "text/html"})
    return web.Response(body=body, content_type="text/html")


async def _move(request: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("/page?x=1")


async def _backend() -> web.AppRunner:
    app = web.Application(client_max_size=64 << 20)
    app.router.add_route("GET", "/ws", _socket)
    app.router.add_route("*", "/stream", _stream)
    app.router.add_route("GET", "/page", _page)
    app.router.add_route("GET", "/move", _move)
    app.router.add_route("*", "/{path:.*}", _echo)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, BACKEND, 8080).start()
    return runner


class Through:
    """A client of an API server whose Service `web` has one endpoint."""

    def __init__(self, api: Api, url: str, session: aiohttp.ClientSession) -> None:
        self.api, self.url, self.session = api, url, session


def through(story: Callable[[Through], Awaitable[None]]) -> None:
    def child() -> None:
        with Netlink() as link:
            link.execute([netlink.set_up(1), netlink.add_address(1, IPv4Interface(f"{BACKEND}/32"))])
        asyncio.run(_told(story))

    in_sandbox(child)


class SystemAuthenticator:
    """Authenticates every client as the system: the connection does not use TLS."""

    async def authenticate(self, credentials: Credentials) -> User | None:
        return SYSTEM


async def _told(story: Callable[[Through], Awaitable[None]]) -> None:
    api = await start(extensions=Extensions(authenticators=(SystemAuthenticator(),)))
    backend = await _backend()
    sock = socket.create_server(("127.0.0.1", 0))
    await api.server.serve([sock], None)
    await api.ok("POST", SERVICES, service("web"))
    await api.ok("POST", SLICES, endpoint_slice(BACKEND))
    try:
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            await story(Through(api, f"http://127.0.0.1:{sock.getsockname()[1]}", session))
    finally:
        await backend.cleanup()
        await api.server.stop()


@pytest.mark.kernel
@pytest.mark.slow
def test_every_method_path_query_and_body_arrives_as_it_was_sent() -> None:
    async def story(at: Through) -> None:
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            where = f"{at.url}{PROXY}/a%2Fb/c?x=1&x=%20y"
            headers = {
                "Authorization": "Bearer secret",
                "Cookie": "mine=1; fairlead-ui-0123=secret; more=2",
                "X-Fairlead-Key": "secret",
                "X-Mine": "1",
                "X-Forwarded-For": "192.0.2.1",
            }
            async with at.session.request(method, URL(where, encoded=True), data="hello", headers=headers) as answer:
                assert answer.status == 207
                seen = await answer.json()
                assert answer.headers["X-Own"] == "yes"
                assert "Access-Control-Allow-Origin" not in answer.headers
                assert len(answer.headers.getall("Set-Cookie")) == 2
            assert (seen["method"], seen["path"], seen["body"]) == (method, "/a%2Fb/c?x=1&x=%20y", "hello")
            assert seen["headers"]["X-Mine"] == "1"
            assert seen["headers"]["X-Forwarded-For"] == "192.0.2.1, 127.0.0.1"
            assert seen["headers"]["X-Forwarded-Uri"] == f"{PROXY}/a%2Fb/c"
            assert seen["headers"]["Host"] == at.url.removeprefix("http://")
            assert "secret" not in str(seen["headers"])
            assert seen["headers"]["Cookie"] == "mine=1; more=2"
        async with at.session.head(f"{at.url}{PROXY}/x") as answer:
            assert answer.status == 207
            assert await answer.read() == b""

    through(story)


@pytest.mark.kernel
@pytest.mark.slow
def test_names_with_ports_pods_and_the_missing_slash_work_too() -> None:
    async def story(at: Through) -> None:
        status = {"status": {"podIP": BACKEND, "podIPs": [{"ip": BACKEND}]}}
        await at.api.ok("POST", PODS, pod("p"))
        await at.api.call("PATCH", f"{PODS}/p/status", status, content_type="application/merge-patch+json")
        for path in (f"{SERVICES}/web:80/proxy/", f"{SERVICES}/http:web:80/proxy/", f"{PODS}/p:8080/proxy/"):
            async with at.session.get(f"{at.url}{path}") as answer:
                assert (await answer.json())["path"] == "/"
        async with at.session.get(f"{at.url}{PROXY}?q=1", allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (301, f"{PROXY}/?q=1")
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            where = f"{at.url}{PROXY}?q=1"
            async with at.session.request(method, where, data="hello", allow_redirects=False) as answer:
                seen = await answer.json()
            assert (seen["method"], seen["path"], seen["body"]) == (method, "/?q=1", "hello")
        async with at.session.get(f"{at.url}{PODS}/p:81/proxy/") as answer:
            assert answer.status == 503
            text = (await answer.json())["message"]
        assert text == f"error trying to reach service: dial tcp {BACKEND}:81: connect: connection refused"

    through(story)


@pytest.mark.kernel
@pytest.mark.slow
def test_redirects_and_pages_lead_back_through_the_proxy() -> None:
    async def story(at: Through) -> None:
        async with at.session.get(f"{at.url}{PROXY}/move", allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (302, f"{PROXY}/page?x=1")
        for query in ("", "?zip=1"):
            async with at.session.get(f"{at.url}{PROXY}/page{query}") as answer:
                assert await answer.read() == f"<a href='{PROXY}/other'>there</a>".encode()

    through(story)


@pytest.mark.kernel
@pytest.mark.slow
def test_bodies_stream_both_ways_beyond_the_limit_for_objects() -> None:
    async def story(at: Through) -> None:
        arrived = asyncio.Event()

        async def slowly() -> AsyncIterator[bytes]:
            yield b"first"
            await arrived.wait()
            for _ in range(80):
                yield b"x" * 65536

        async with at.session.post(f"{at.url}{PROXY}/stream", data=slowly()) as answer:
            assert await answer.content.readexactly(5) == b"first"
            arrived.set()
            assert len(await answer.read()) == 80 * 65536

    through(story)


@pytest.mark.kernel
@pytest.mark.slow
def test_websockets_pass_untouched_and_a_refused_switch_is_an_ordinary_answer() -> None:
    async def story(at: Through) -> None:
        async with at.session.ws_connect(f"{at.url}{PROXY}/ws", protocols=("chat",)) as ws:
            assert ws.protocol == "chat"
            await ws.send_str("hello")
            assert await ws.receive_str() == "hello!"
            await ws.send_str("x" * 1_000_000)
            assert len(await ws.receive_str()) == 1_000_001
        headers = {"Connection": "Upgrade", "Upgrade": "something"}
        async with at.session.get(f"{at.url}{PROXY}/plain", headers=headers) as answer:
            assert answer.status == 207
            assert (await answer.json())["path"] == "/plain"

    through(story)
