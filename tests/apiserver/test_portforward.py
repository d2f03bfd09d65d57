"""Connections to a Pod's ports through the API server, over WebSockets and over a bare upgrade."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable

import pytest

from .harness import PODS, Api, pod, story
from .test_proxy import BACKEND, Through, through
from .test_spdy import Client

PATH = f"{PODS}/p/portforward"
MERGE = "application/merge-patch+json"


@story
async def test_only_a_running_pod_and_a_client_that_upgrades_are_served(api: Api) -> None:
    assert (await api.error("POST", PATH)).code == 404
    await api.ok("POST", PODS, pod("p"))
    assert (await api.error("POST", PATH)).message == "pod p does not have a host assigned"
    await api.ok("POST", PODS, pod("q", nodeName="node1"))
    error = await api.error("POST", PATH.replace("/p/", "/q/"))
    assert error.message == "unable to forward port because pod is not running. Current status=Pending"


Send = Callable[[bytes], Awaitable[None]]
Read = Callable[[], Awaitable[bytes]]


async def talk(send: Send, read: Read) -> dict[int, bytes]:
    """Opens a connection to port 8080 and one to a closed port, asks the first one for a page, reads to the end."""
    client = Client()
    for stream, kind, port, number in (
        (1, "error", 8080, 0),
        (3, "data", 8080, 0),
        (5, "error", 81, 1),
        (7, "data", 81, 1),
    ):
        await send(client.open(stream, {"streamtype": kind, "port": str(port), "requestid": str(number)}))
    await send(client.data(1, b"", end=True))
    await send(client.data(3, b"GET /hello HTTP/1.1\r\nHost: pod\r\nConnection: close\r\n\r\n"))
    found: dict[int, bytes] = {1: b"", 3: b"", 5: b"", 7: b""}
    ended: set[int] = set()
    buffer = b""
    while len(ended) < 4:
        data = await asyncio.wait_for(read(), 5)
        assert data, (found, ended)
        buffer += data
        while len(buffer) >= 8:
            head, rest = struct.unpack_from(">II", buffer)
            length = rest & 0xFFFFFF
            if len(buffer) < 8 + length:
                break
            if not head >> 31:
                found[head] += buffer[8 : 8 + length]
                if rest >> 24:
                    ended.add(head)
            buffer = buffer[8 + length :]
    return found


async def ready(at: Through) -> None:
    status = {"status": {"phase": "Running", "podIP": BACKEND, "podIPs": [{"ip": BACKEND}]}}
    made = await at.api.ok("POST", PODS, pod("p", nodeName="node1"))
    await at.api.ok("PATCH", f"{PODS}/p/status", status, content_type=MERGE)
    at.uid = made["metadata"]["uid"]  # type: ignore[attr-defined]


def check(at: Through, found: dict[int, bytes]) -> None:
    assert found[3].startswith(b"HTTP/1.1 207")
    assert b'"path": "/hello"' in found[3]
    assert found[1] == found[7] == b""
    uid = at.uid  # type: ignore[attr-defined]
    text = f"error forwarding port 81 to pod p_default, uid {uid}: dial tcp {BACKEND}:81: connect: connection refused"
    assert found[5].decode() == text


@pytest.mark.kernel
@pytest.mark.slow
def test_ports_are_reached_through_a_websocket() -> None:
    async def story(at: Through) -> None:
        await ready(at)
        async with at.session.ws_connect(f"{at.url}{PATH}", protocols=("SPDY/3.1+portforward.k8s.io",)) as ws:
            check(at, await talk(ws.send_bytes, ws.receive_bytes))
        async with at.session.get(f"{at.url}{PATH}") as answer:
            assert (answer.status, (await answer.json())["message"]) == (400, "Upgrade request required")

    through(story)


@pytest.mark.kernel
@pytest.mark.slow
def test_ports_are_reached_through_a_bare_upgrade() -> None:
    async def story(at: Through) -> None:
        await ready(at)
        reader, writer = await asyncio.open_connection("127.0.0.1", int(at.url.rpartition(":")[2]))
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nContent-Length: 0\r\n\r\n"
        )
        writer.write(head.encode())
        answer = (await reader.readuntil(b"\r\n\r\n")).decode()
        assert answer.startswith("HTTP/1.1 101 ")
        assert "X-Stream-Protocol-Version: portforward.k8s.io" in answer

        async def send(data: bytes) -> None:
            writer.write(data)

        check(at, await talk(send, lambda: reader.read(65536)))
        writer.close()

    through(story)


@pytest.mark.kernel
@pytest.mark.slow
def test_ports_are_reached_over_plain_channels() -> None:
    async def story(at: Through) -> None:
        await ready(at)
        path = f"{at.url}{PATH}?ports=8080&ports=81"
        async with at.session.ws_connect(path, protocols=("v4.channel.k8s.io",)) as ws:
            await ws.send_bytes(b"\0GET /hello HTTP/1.1\r\nHost: pod\r\nConnection: close\r\n\r\n")
            found = {0: b"", 1: b"", 2: b"", 3: b""}
            async for message in ws:
                found[message.data[0]] += message.data[1:]
        port, closed = (8080).to_bytes(2, "little"), (81).to_bytes(2, "little")
        assert found[0].startswith(port + b"HTTP/1.1 207")
        assert (found[1], found[2]) == (port, closed)
        assert found[3].startswith(closed + b"error forwarding port 81 to pod p_default")
        async with at.session.get(f"{at.url}{PATH}?ports=x", headers=UPGRADE) as answer:
            assert answer.status == 400

    through(story)


UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Protocol": "v4.channel.k8s.io",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}
