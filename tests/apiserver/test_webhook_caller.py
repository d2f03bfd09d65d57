"""The module that calls webhooks, against servers that answer, hang, lie and die."""

from __future__ import annotations

import asyncio
import datetime as dt
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv4Interface
from typing import Any

import pytest
from aiohttp import web

from fairlead.apiserver.webhook.caller import WebhookCaller
from fairlead.apiserver.webhook.model import CallError, ServiceReference, WebhookTarget
from fairlead.apiserver.webhook.services import ServiceResolver
from fairlead.net.netlink import model as netlink
from fairlead.net.netlink.run import Netlink
from tests.net.sandbox import in_sandbox

from .harness import SERVICES, Api, service, start, story
from .test_proxy import SLICES, endpoint_slice
from .webhooks import Hook, certificate, serving


def caller_of(api: Api) -> WebhookCaller:
    return WebhookCaller(ServiceResolver(api.server._resources, rng=random.Random(1)))


@asynccontextmanager
async def calling(api: Api) -> AsyncIterator[WebhookCaller]:
    caller = caller_of(api)
    try:
        yield caller
    finally:
        await caller.close()


async def answer(request: web.Request) -> web.StreamResponse:
    return web.json_response({"ok": True})


def target(hook: Hook, path: str = "") -> WebhookTarget:
    return WebhookTarget(url=hook.url + path, ca_bundle=hook.certificate.pem)


async def problem(caller: WebhookCaller, to: WebhookTarget, timeout_s: float = 20) -> str:
    with pytest.raises(CallError) as failed:
        await caller.post(to, b"{}", timeout_s=timeout_s, most_bytes=1 << 16)
    return str(failed.value)


@story
async def test_a_url_is_called_over_one_kept_connection(api: Api) -> None:
    async with calling(api) as caller, serving(answer) as hook:
        for _ in range(3):
            assert await caller.post(target(hook, "/a/b"), b'{"x":1}', timeout_s=9.5) == b'{"ok": true}'
        assert hook.reviews == [{"x": 1}] * 3
        assert set(hook.paths) == {"/a/b?timeout=10s"}
        assert len(set(hook.peers)) == 1
        assert "Authorization" not in hook.headers[0]
        assert hook.headers[0]["Content-Type"] == "application/json"


@story
async def test_the_host_of_a_url_may_be_a_name(api: Api) -> None:
    async with calling(api) as caller, serving(answer, names=("localhost",)) as hook:
        named = WebhookTarget(url=f"https://localhost:{hook.port}", ca_bundle=hook.certificate.pem)
        assert await caller.post(named, b"{}", timeout_s=20) == b'{"ok": true}'


@story
async def test_a_proxy_of_the_environment_is_not_used(api: Api) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy"):
            patch.setenv(name, "http://127.0.0.1:1")
        async with calling(api) as caller, serving(answer) as hook:
            assert await caller.post(target(hook), b"{}", timeout_s=20) == b'{"ok": true}'


@story
async def test_a_connection_that_the_server_closed_is_replaced(api: Api) -> None:
    async with calling(api) as caller:
        async with serving(answer) as hook:
            await caller.post(target(hook), b"{}", timeout_s=20)
            made, port = hook.certificate, hook.port
        context = made.context()

        async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"{}")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            await writer.drain()
            if await reader.read(1):  # the next request on this connection gets no answer
                writer.transport.abort()

        server = await asyncio.start_server(once, "127.0.0.1", port, ssl=context)
        async with server:
            for _ in range(3):
                assert await caller.post(target(hook), b"{}", timeout_s=20) == b"{}"


@story
async def test_errors_have_the_words_of_gos_client(api: Api) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with calling(api) as caller:
        refused = WebhookTarget(url=f"https://127.0.0.1:{port}/x", ca_bundle=certificate("a").pem)
        text = f'Post "https://127.0.0.1:{port}/x?timeout=20s": dial tcp 127.0.0.1:{port}: connect: connection refused'
        assert await problem(caller, refused) == text
        bad = await problem(caller, WebhookTarget(url="https://127.0.0.1/", ca_bundle=b"no"))
        assert bad.endswith("unable to load root certificates: unable to parse bytes as PEM block")


@story
async def test_certificates_must_be_signed_by_the_bundle_and_have_the_name(api: Api) -> None:
    async with calling(api) as caller:
        async with serving(answer) as hook:
            stranger = WebhookTarget(url=hook.url, ca_bundle=certificate("127.0.0.1").pem)
            unknown = "tls: failed to verify certificate: x509: certificate signed by unknown authority"
            assert (await problem(caller, stranger)).endswith(unknown)
            assert (await problem(caller, WebhookTarget(url=hook.url))).endswith(unknown)
        async with serving(answer, made=certificate("elsewhere.example")) as hook:
            wrong = "x509: certificate is not valid for the name 127.0.0.1"
            assert (await problem(caller, target(hook))).endswith(wrong)
        async with serving(answer, made=certificate("127.0.0.1", until=-dt.timedelta(hours=1))) as hook:
            assert (await problem(caller, target(hook))).endswith("x509: certificate has expired or is not yet valid")


@story
async def test_a_server_without_tls_is_named(api: Api) -> None:
    async def plain(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    async with server, calling(api) as caller:
        port = server.sockets[0].getsockname()[1]
        to = WebhookTarget(url=f"https://127.0.0.1:{port}", ca_bundle=certificate("127.0.0.1").pem)
        assert (await problem(caller, to)).endswith("http: server gave HTTP response to HTTPS client")


@story
async def test_answers_that_are_no_success_get_upstreams_texts(api: Api) -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        match request.path:
            case "/text":
                return web.Response(status=500, text="it broke\n")
            case "/status":
                body = {"kind": "Status", "reason": "Conflict", "message": "no, thanks", "code": 409}
                return web.json_response(body, status=409)
            case "/moved":
                raise web.HTTPFound("/text")
            case _:
                return web.Response(status=int(request.path[1:]))

    async with calling(api) as caller, serving(refuse) as hook:
        assert await problem(caller, target(hook, "/404")) == "the server could not find the requested resource"
        assert await problem(caller, target(hook, "/503")) == "the server is currently unable to handle the request"
        assert await problem(caller, target(hook, "/text")) == (
            'an error on the server ("it broke") has prevented the request from succeeding'
        )
        assert await problem(caller, target(hook, "/status")) == "no, thanks"
        moved = "the server responded with the status code 302 but did not return more information"
        assert await problem(caller, target(hook, "/moved")) == moved
        assert hook.paths[-1] == "/moved?timeout=20s"


@story
async def test_an_endless_answer_and_a_missing_one_time_out(api: Api) -> None:
    ended = asyncio.Event()

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.path == "/hang":
            await ended.wait()
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" " * 4096)

    async with calling(api) as caller, serving(handle) as hook:
        assert await problem(caller, target(hook, "/pour")) == "the answer is larger than 65536 bytes"
        slow = asyncio.create_task(problem(caller, target(hook, "/hang"), 0.05))
        assert await slow == f'Post "{hook.url}/hang?timeout=1s": context deadline exceeded'
        ended.set()


@story
async def test_a_crashed_server_is_an_error_at_once(api: Api) -> None:
    async def crash(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with calling(api) as caller, serving(crash) as hook:
        assert await problem(caller, target(hook)) in (
            f'Post "{hook.url}?timeout=20s": EOF',
            f'Post "{hook.url}?timeout=20s": read: connection reset by peer',
        )


@story
async def test_services_that_cannot_be_called_are_named(api: Api) -> None:
    async def why(name: str = "web", port: int = 443) -> str:
        text = await problem(caller, WebhookTarget(service=ServiceReference("default", name, port, "/p")))
        return text.removeprefix(f'Post "https://{name}.default.svc:{port}/p?timeout=20s": ')

    async with calling(api) as caller:
        assert await why() == 'service "web" not found'
        await api.ok("POST", SERVICES, service("web", ports=[{"port": 443, "targetPort": 8443}]))
        assert await why() == 'no endpoints available for service "web"'
        assert await why(port=80) == 'no service port 80 found for service "web"'
        outside: dict[str, Any] = {"type": "ExternalName", "externalName": "a.example", "selector": None, "ports": []}
        await api.ok("POST", SERVICES, service("out", **outside))
        assert await why("out") == 'unsupported service type "ExternalName"'


@pytest.mark.kernel
@pytest.mark.slow
def test_a_service_is_called_at_a_ready_endpoint_under_its_own_name() -> None:
    first, second = "10.244.1.2", "10.244.1.3"

    async def main() -> None:
        api, made = await start(), certificate("web.default.svc")
        await api.ok("POST", SERVICES, service("web", ports=[{"port": 443, "targetPort": 8443}]))
        async with calling(api) as caller, serving(answer, host=first, made=made) as hook:
            await api.ok("POST", SLICES, endpoint_slice(first, port=hook.port))
            reference = ServiceReference("default", "web", path="check")
            to = WebhookTarget(service=reference, ca_bundle=made.pem)
            assert await caller.post(to, b"{}", timeout_s=10) == b'{"ok": true}'
            assert await caller.post(to, b"{}", timeout_s=10) == b'{"ok": true}'
            assert hook.paths == ["/check?timeout=10s"] * 2
            assert hook.headers[0]["Host"] == "web.default.svc:443"
            assert len(set(hook.peers)) == 1
            # An endpoint that has left the Service is not called any more, although its connection is open.
            async with serving(answer, host=second, made=made) as other:
                where = f"{SLICES}/web-1"
                await api.ok("PUT", where, endpoint_slice(second, port=other.port))
                await caller.post(to, b"{}", timeout_s=10)
                assert (len(hook.paths), len(other.paths)) == (2, 1)
        await api.server.stop()

    def child() -> None:
        with Netlink() as link:
            changes = [netlink.add_address(1, IPv4Interface(f"{ip}/32")) for ip in (first, second)]
            link.execute([netlink.set_up(1), *changes])
        asyncio.run(main())

    in_sandbox(child)
