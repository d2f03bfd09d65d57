"""Exec, attach and port-forward at the API server: requests refused here, and requests handed over to the node."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from .harness import PODS, Api, pod, story
from .test_proxy import BACKEND, Through, through

MERGE = "application/merge-patch+json"
NODES = "/api/v1/nodes"
SPDY = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": "v4.channel.k8s.io"}
TOKEN = "base64url.bearer.authorization.k8s.io." + base64.urlsafe_b64encode(b"secret").decode().rstrip("=")


@story
async def test_only_a_running_pod_and_a_client_that_upgrades_are_served(api: Api) -> None:
    path = f"{PODS}/p/portforward"
    assert (await api.error("POST", path)).code == 404
    await api.ok("POST", PODS, pod("p"))
    for subresource in ("portforward", "exec", "attach"):
        error = await api.error("POST", f"{PODS}/p/{subresource}", query={"command": "true"})
        assert error.message == "pod p does not have a host assigned"
    await api.ok("POST", PODS, pod("q", nodeName="node1"))
    error = await api.error("POST", path.replace("/p/", "/q/"))
    assert error.message == "unable to forward port because pod is not running. Current status=Pending"
    for subresource in ("exec", "attach"):
        error = await api.error("GET", f"{PODS}/q/{subresource}", query={"command": "true"})
        assert (error.code, error.message) == (400, "Upgrade request required")
    error = await api.error("GET", f"{PODS}/q/exec")
    assert error.message == "you must specify at least 1 command for the container"


@asynccontextmanager
async def node(seen: list[str]) -> AsyncIterator[None]:
    """A kubelet API that records the head of each request, upgrades, and answers in capitals; `refuse` in a path
    gives 400."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        seen.append(head)
        if "refuse" in head:
            writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nno")
        else:
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n")
            writer.write(b"X-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n")
            while data := await reader.read(65536):
                writer.write(data.upper())
        writer.close()

    async with await asyncio.start_server(answer, BACKEND, 10250):
        yield


async def ready(at: Through) -> None:
    await at.api.ok("POST", NODES, {"metadata": {"name": "node1"}})
    status = {"status": {"addresses": [{"type": "InternalIP", "address": BACKEND}]}}
    await at.api.ok("PATCH", f"{NODES}/node1/status", status, content_type=MERGE)
    await at.api.ok("POST", PODS, pod("p", nodeName="node1"))
    await at.api.ok("PATCH", f"{PODS}/p/status", {"status": {"phase": "Running"}}, content_type=MERGE)


async def switched(at: Through, path: str, headers: dict[str, str]) -> tuple[str, bytes]:
    """Returns the head of the response, and the answer to `hello`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(at.url.rpartition(":")[2]))
    lines = [f"POST {path} HTTP/1.1", "Host: x", *(f"{k}: {v}" for k, v in headers.items()), "Content-Length: 0"]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    writer.write(b"hello")
    said = await reader.readexactly(5)
    writer.close()
    return head, said


@pytest.mark.kernel
@pytest.mark.slow
def test_a_connection_is_handed_to_the_node_as_it_is_but_for_the_clients_credentials() -> None:
    async def story(at: Through) -> None:
        seen: list[str] = []
        await ready(at)
        headers = SPDY | {"Authorization": "Bearer secret", "Sec-WebSocket-Protocol": f"{TOKEN}, v4.channel.k8s.io"}
        async with node(seen):
            for subresource, there in (
                (
                    "exec?command=a%20b&command=c&stdin=1&container=web",
                    "/exec/default/p/web?command=a+b&command=c&stdin=1",
                ),
                ("attach?stdout=true", "/attach/default/p/web?stdout=true"),
                ("portforward?ports=80", "/portForward/default/p?ports=80"),
            ):
                head, said = await switched(at, f"{PODS}/p/{subresource}", headers)
                assert head.startswith("HTTP/1.1 101 ")
                assert "X-Stream-Protocol-Version: v4.channel.k8s.io" in head
                assert said == b"HELLO"
                first, rest = seen[-1].split("\r\n", 1)
                assert first == f"POST {there} HTTP/1.1"
                assert "secret" not in rest
                assert TOKEN not in rest
                assert "Sec-WebSocket-Protocol: v4.channel.k8s.io" in rest
                assert "X-Stream-Protocol-Version: v4.channel.k8s.io" in rest

    through(story)


@pytest.mark.kernel
@pytest.mark.slow
def test_a_nodes_refusal_and_a_node_that_does_not_answer_reach_the_client() -> None:
    async def story(at: Through) -> None:
        await ready(at)
        path = f"{at.url}{PODS}/p/exec?command="
        async with node([]), at.session.post(f"{path}refuse", headers=SPDY) as answer:
            assert (answer.status, await answer.text()) == (400, "no")
        async with at.session.post(f"{path}x", headers=SPDY) as answer:
            text = f"error dialing backend: dial tcp {BACKEND}:10250: connect: connection refused"
            assert (answer.status, (await answer.json())["message"]) == (500, text)

    through(story)


@pytest.mark.kernel
@pytest.mark.slow
def test_a_watch_goes_over_websocket_one_text_message_an_event() -> None:
    async def story(at: Through) -> None:
        maps = "/api/v1/namespaces/default/configmaps"
        url = f"{at.url}{maps}?watch=1"
        async with at.session.ws_connect(url, protocols=(TOKEN, "base64.binary.k8s.io")) as ws:
            assert ws.protocol == "base64.binary.k8s.io", "the token is never answered with"
            await at.api.ok("POST", maps, {"metadata": {"name": "a"}, "data": {"k": "ü"}})
            await at.api.ok("DELETE", f"{maps}/a")
            for type in ("ADDED", "DELETED"):
                message = await ws.receive()
                assert message.type is aiohttp.WSMsgType.TEXT
                assert message.data.endswith("}\n")
                event = message.json()
                assert (event["type"], event["object"]["metadata"]["name"]) == (type, "a")
            await ws.send_str("ignored")
        async with at.session.ws_connect(f"{url}&timeoutSeconds=1") as ws:
            at.api.clock.advance(2)
            assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSE
        headers = {"Connection": "Upgrade", "Upgrade": "websocket"}
        async with at.session.get(url, headers=headers) as answer:
            assert (answer.status, (await answer.json())["kind"]) == (400, "Status")

    through(story)


@pytest.mark.kernel
@pytest.mark.slow
def test_a_watcher_over_websocket_that_never_reads_is_cut_off() -> None:
    async def story(at: Through) -> None:
        maps = "/api/v1/namespaces/default/configmaps"
        await at.api.ok("POST", maps, {"metadata": {"name": "big"}})
        async with at.session.ws_connect(f"{at.url}{maps}?watch=1") as ws:
            transport: Any = ws._response.connection.transport  # type: ignore[union-attr]
            transport.pause_reading()
            text, at_most = "x" * 900_000, 80
            while await _watches(at) and at_most:
                at_most -= 1
                patch = {"data": {"k": f"{at_most}{text}"}}
                await at.api.ok("PATCH", f"{maps}/big", patch, content_type=MERGE)
                await asyncio.sleep(0)  # nothing above yields to the event loop
            assert at_most, "32 MiB is what a watcher may leave unread"

    through(story)


async def _watches(at: Through) -> bool:
    response = await at.api.call("GET", "/metrics")
    lines = [line for line in response.body.decode().splitlines() if "longrunning" in line and "WATCH" in line]
    return any(not line.endswith(" 0") for line in lines)


@pytest.mark.kernel
@pytest.mark.slow
def test_a_message_that_a_watcher_may_not_send_ends_its_connection() -> None:
    async def story(at: Through) -> None:
        async with at.session.ws_connect(f"{at.url}/api/v1/namespaces/default/configmaps?watch=1") as ws:
            await ws.send_bytes(bytes(100_000))
            assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSE
        while await _watches(at):  # noqa: ASYNC110 -- a gauge does not notify
            await asyncio.sleep(0.01)

    through(story)
