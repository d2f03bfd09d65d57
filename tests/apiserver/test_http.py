"""The TLS edge with real sockets on the loopback address: certificates, limits, streams, WebSockets."""

from __future__ import annotations

import asyncio
import io
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiohttp import web

from .harness import CONFIG_MAPS, MERGE, PODS, Api, config_map, pod, start

pytestmark = pytest.mark.slow


def server_tls(folder: Path, name: str = "apiserver") -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(folder / "ca.crt"))
    context.load_cert_chain(folder / f"{name}.crt", folder / f"{name}.key")
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


def client_tls(folder: Path, name: str | None = "admin") -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    if name is not None:
        context.load_cert_chain(folder / f"{name}.crt", folder / f"{name}.key")
    return context


@dataclass
class Edge:
    api: Api
    folder: Path
    url: str
    session: aiohttp.ClientSession


@asynccontextmanager
async def edge(folder: Path) -> AsyncIterator[Edge]:
    api = await start(kubelet_tls=client_tls(folder, "kubelet-client"))
    sock = socket.create_server(("127.0.0.1", 0))
    await api.server.serve([sock], server_tls(folder))
    connector = aiohttp.TCPConnector(ssl=client_tls(folder))
    try:
        async with aiohttp.ClientSession(connector=connector) as session:
            yield Edge(api, folder, f"https://127.0.0.1:{sock.getsockname()[1]}", session)
    finally:
        await api.server.stop()


def run(folder: Path, story: Callable[[Edge], Awaitable[None]]) -> None:
    async def main() -> None:
        async with edge(folder) as found:
            await story(found)

    asyncio.run(main())


def test_the_certificate_names_the_user(certificates: Path) -> None:
    async def story(at: Edge) -> None:
        path = f"{at.url}/apis/authentication.k8s.io/v1/selfsubjectreviews"
        async with at.session.post(path, json={}) as response:
            info = (await response.json())["status"]["userInfo"]
        assert info["username"] == "kubernetes-admin"
        assert info["groups"] == ["system:masters", "system:authenticated"]

    run(certificates, story)


def test_without_a_certificate_a_token_names_the_user(certificates: Path) -> None:
    async def story(at: Edge) -> None:
        path = "/api/v1/namespaces/default/serviceaccounts/default/token"
        token = (await at.api.ok("POST", path, {"spec": {}}))["status"]["token"]
        stranger = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=client_tls(at.folder, None)))
        async with stranger:
            for headers, name in (
                ({}, "system:anonymous"),
                ({"authorization": f"Bearer {token}"}, "system:serviceaccount:default:default"),
            ):
                async with stranger.get(at.url + PODS, headers=headers) as response:
                    text = f'pods is forbidden: User "{name}" cannot list resource "pods" in API group "" '
                    assert (await response.json())["message"] == text + 'in the namespace "default"'
            async with stranger.get(f"{at.url}/livez") as response:
                assert response.status == 200
            async with stranger.get(f"{at.url}/livez", headers={"authorization": "Bearer x"}) as response:
                assert (response.status, (await response.json())["reason"]) == (401, "Unauthorized")

    run(certificates, story)


def test_bodies_have_a_limit(certificates: Path) -> None:
    async def story(at: Edge) -> None:
        big = msgspec.json.encode(config_map("a", k="x" * (3 << 20)))

        async def pieces() -> AsyncIterator[bytes]:
            for i in range(0, len(big), 1 << 16):
                yield big[i : i + (1 << 16)]

        for body in (io.BytesIO(big), pieces()):
            try:
                async with at.session.post(at.url + CONFIG_MAPS, data=body) as response:
                    assert (response.status, (await response.json())["reason"]) == (413, "RequestEntityTooLarge")
            except aiohttp.ClientConnectionError:
                pass  # the server closed the connection before the whole body was sent, which is a valid answer too
        async with at.session.get(at.url + CONFIG_MAPS) as response:
            assert (await response.json())["items"] == []

    run(certificates, story)


def test_a_client_may_ask_before_it_sends_its_body(certificates: Path) -> None:
    async def story(at: Edge) -> None:
        async with at.session.post(at.url + CONFIG_MAPS, json=config_map("a"), expect100=True) as response:
            assert response.status == 201

    run(certificates, story)


def test_a_watch_begins_before_its_first_event_and_is_forgotten_with_its_reader(certificates: Path) -> None:
    async def story(at: Edge) -> None:
        query = {"watch": "1", "resourceVersion": str(at.api.revision)}
        async with asyncio.timeout(30):
            response = await at.session.get(at.url + CONFIG_MAPS, params=query)
            assert response.status == 200
            await at.api.ok("POST", CONFIG_MAPS, config_map("a"))
            event = msgspec.json.decode(await response.content.readline())
            assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "a")
            assert len(at.api.server._serving.watches) == 1
            response.close()
            await watches_closed(at.api)
        metrics = (await at.api.call("GET", "/metrics")).body.decode()
        assert re.search(r'apiserver_longrunning_requests{.*resource="configmaps".*verb="WATCH".*} 0', metrics)
        assert re.search(r'apiserver_watch_events_total{group="",resource="configmaps",version="v1"} [1-9]', metrics)
        assert re.search(r'authentication_attempts{result="success"} [1-9]', metrics)

    run(certificates, story)


def test_a_watcher_that_does_not_read_is_cut_off_and_one_that_does_misses_nothing(certificates: Path) -> None:
    size, count = 500_000, 90  # more than a watcher may leave unread, and than the kernel buffers for it

    async def story(at: Edge) -> None:
        query = {"watch": "1", "resourceVersion": str(at.api.revision)}
        unlimited = aiohttp.ClientTimeout(total=None)
        async with asyncio.timeout(30):
            stuck = await at.session.get(at.url + CONFIG_MAPS, params=query, timeout=unlimited, read_bufsize=1024)
            keen = await at.session.get(at.url + CONFIG_MAPS, params=query, timeout=unlimited, read_bufsize=4 << 20)
            await at.api.ok("POST", CONFIG_MAPS, config_map("a"))
            await keen.content.readline()
            for number in range(count):
                patch = {"data": {"number": str(number), "padding": "x" * size}}
                await at.api.ok("PATCH", f"{CONFIG_MAPS}/a", patch, content_type=MERGE)
                event = msgspec.json.decode(await keen.content.readuntil(b"\n"))
                assert event["object"]["data"]["number"] == str(number)
            while len(at.api.server._serving.watches) > 1:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            with pytest.raises(aiohttp.ClientError):
                await stuck.read()
            keen.close()
            await watches_closed(at.api)

    run(certificates, story)


async def watches_closed(api: Api) -> None:
    """Returns when all watches are closed: only the loop sees the end of a connection, without an event."""
    while len(api.server._serving.watches):  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def test_percent_signs_in_paths_are_understood(certificates: Path) -> None:
    async def story(at: Edge) -> None:
        await at.api.ok("POST", CONFIG_MAPS, config_map("a.b"))
        from yarl import URL

        async with at.session.get(URL(f"{at.url}{CONFIG_MAPS}/a%2Eb?x=%20y", encoded=True)) as response:
            assert response.status == 200

    run(certificates, story)


@asynccontextmanager
async def kubelet(at: Edge, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[None]:
    """A node with the kubelet API `handler`, and a running Pod `p` with containers `a` and `b` on it."""
    app = web.Application()
    app.router.add_get("/{tail:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    sock = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, sock, ssl_context=server_tls(at.folder)).start()
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": sock.getsockname()[1]}},
    }
    await at.api.ok("POST", "/api/v1/nodes", {"metadata": {"name": "n1"}})
    merge = "application/merge-patch+json"
    await at.api.ok("PATCH", "/api/v1/nodes/n1/status", {"status": status}, content_type=merge)
    both = [{"name": "a", "image": "x"}, {"name": "b", "image": "x"}]
    await at.api.ok("POST", PODS, pod("p", nodeName="n1", containers=both))
    states = [{"name": name, "state": {"running": {}}} for name in "ab"]
    body = {"status": {"containerStatuses": states}}
    await at.api.ok("PATCH", f"{PODS}/p/status", body, content_type=merge)
    try:
        yield
    finally:
        await runner.cleanup()


def test_logs_come_from_the_node_as_they_are_written(certificates: Path) -> None:
    async def story(at: Edge) -> None:
        more = asyncio.Event()
        asked: list[str] = []

        async def logs(request: web.Request) -> web.StreamResponse:
            subject = request.transport.get_extra_info("peercert")["subject"]  # type: ignore[union-attr]
            asked.append(f"{request.path_qs} by {subject[-1][0][1]}")
            if request.query.get("previous"):
                return web.Response(status=400, text='previous terminated container "a" in pod "p" not found')
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"one\n")
            await more.wait()
            await response.write(b"two\n")
            return response

        async with kubelet(at, logs), asyncio.timeout(30):
            query = {"container": "a", "follow": "true", "tailLines": "3"}
            async with at.session.get(f"{at.url}{PODS}/p/log", params=query) as response:
                assert response.headers["content-type"].startswith("text/plain")
                assert await response.content.readline() == b"one\n"
                more.set()
                assert await response.content.read() == b"two\n"
            path = "/containerLogs/default/p/a?follow=true&tailLines=3"
            assert asked == [f"{path} by kube-apiserver-kubelet-client"]
            query = {"container": "a", "previous": "true"}
            async with at.session.get(f"{at.url}{PODS}/p/log", params=query) as response:
                assert response.status == 400
                assert (await response.json())["message"].startswith("previous terminated container")

    run(certificates, story)


def test_exec_is_joined_with_the_node_in_both_directions(certificates: Path) -> None:
    async def story(at: Edge) -> None:
        asked: list[str] = []

        async def execute(request: web.Request) -> web.StreamResponse:
            asked.append(request.path_qs)
            ws = web.WebSocketResponse(protocols=("v5.channel.k8s.io", "v4.channel.k8s.io"))
            await ws.prepare(request)
            await ws.send_bytes(b"\x01" + (ws.ws_protocol or "").encode())
            async for message in ws:
                if message.data[:1] == b"\xff":
                    break
                await ws.send_bytes(b"\x01" + message.data[1:].upper())
            await ws.send_bytes(b'\x03{"status":"Success"}')
            await ws.close()
            return ws

        url = f"{at.url}{PODS}/p/exec?command=sh&command=-c&container=b&stdin=true&stdout=true"
        async with kubelet(at, execute), asyncio.timeout(30):
            for protocol in ("v5.channel.k8s.io", "v4.channel.k8s.io"):
                async with at.session.ws_connect(url, protocols=[protocol]) as ws:
                    assert ws.protocol == protocol
                    assert await ws.receive_bytes() == b"\x01" + protocol.encode()
                    await ws.send_bytes(b"\x00hello")
                    assert await ws.receive_bytes() == b"\x01HELLO"
                    await ws.send_bytes(b"\xff\x00")
                    assert await ws.receive_bytes() == b'\x03{"status":"Success"}'
                    assert (await ws.receive()).type == aiohttp.WSMsgType.CLOSE
            expected = "/exec/default/p/b?command=sh&command=-c&stdin=true&stdout=true"
            assert asked == [expected, expected]

    run(certificates, story)


def test_an_attach_is_passed_to_the_node_too_and_its_refusal_back(certificates: Path) -> None:
    async def story(at: Edge) -> None:
        asked: list[str] = []

        async def refuse(request: web.Request) -> web.StreamResponse:
            asked.append(request.path_qs)
            return web.Response(status=400, text="container b not found in pod p_default")

        async with kubelet(at, refuse), asyncio.timeout(30):
            url = f"{at.url}{PODS}/p/attach?container=b&stdin=true&stdout=true&tty=true"
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await at.session.ws_connect(url, protocols=["v5.channel.k8s.io"])
            assert refused.value.status == 400
            assert asked == ["/attach/default/p/b?stdin=true&stdout=true&tty=true"]

    run(certificates, story)


def test_an_exec_that_cannot_be_is_an_ordinary_answer(certificates: Path) -> None:
    async def story(at: Edge) -> None:
        async def refuse(_: web.Request) -> web.StreamResponse:
            return web.Response(status=404, text="container not found")

        async with kubelet(at, refuse), asyncio.timeout(30):
            for query, status in (
                ("command=ls&container=zz", 400),
                ("container=a", 400),
                ("command=ls&container=a", 404),
            ):
                with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                    await at.session.ws_connect(f"{at.url}{PODS}/p/exec?{query}", protocols=["v5.channel.k8s.io"])
                assert refused.value.status == status

    run(certificates, story)


def test_malformed_http_gets_a_status_and_invalid_utf8_is_accepted(certificates: Path) -> None:
    async def story(at: Edge) -> None:
        async def answer_to(data: bytes) -> tuple[int, dict[str, object]]:
            tls = client_tls(certificates)
            reader, writer = await asyncio.open_connection("127.0.0.1", int(at.url.rpartition(":")[2]), ssl=tls)
            writer.write(data)
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
            body = await reader.readexactly(length)
            writer.close()
            return int(head.split()[1]), msgspec.json.decode(body)

        status, body = await answer_to(b"FOO / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (status, body["kind"], body["reason"], body["code"]) == (400, "Status", "BadRequest", 400)
        status, body = await answer_to(b"GET /api/v1/namespaces/default/services/\xff HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (status, body["kind"]) in ((404, "Status"), (400, "Status"))

    run(certificates, story)


def test_every_json_answer_ends_with_a_newline_and_is_indented_on_request(certificates: Path) -> None:
    paths = ("/", "/version", "/api", "/apis", "/api/v1", "/openapi/v2", "/openapi/v3", "/nope", CONFIG_MAPS, PODS)

    async def story(at: Edge) -> None:
        await at.api.ok("POST", CONFIG_MAPS, config_map("a"))
        table = {"Accept": "application/json;as=Table;g=meta.k8s.io;v=v1"}
        for path in (*paths, f"{CONFIG_MAPS}/a"):
            for headers in ({}, table):
                async with at.session.get(at.url + path, headers=headers) as response:
                    plain = await response.read()
                async with at.session.get(f"{at.url}{path}?pretty=true", headers=headers) as response:
                    indented = await response.read()
                assert plain.endswith(b"}\n"), path
                assert indented.startswith(b"{\n  "), path
                assert msgspec.json.decode(indented) == msgspec.json.decode(plain)
        for method in (at.session.post, at.session.put):
            async with method(at.url + CONFIG_MAPS, json={}) as response:
                assert (await response.read()).endswith(b"}\n")
        async with at.session.get(at.url + PODS, headers={"Authorization": "Bearer x", "User-Agent": "curl/8"}) as got:
            assert (await got.read()).startswith(b"{\n  ")

    run(certificates, story)
