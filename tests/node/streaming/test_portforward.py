"""Port-forward at the kubelet API: bare SPDY, SPDY inside a WebSocket, and channels."""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from fairlead.node.streaming.portforward import Inbox, SpdyForwarding
from fairlead.runtime.fake import run_jumping
from tests.node.nodebench import NodeBench, on_node, ready, shell
from tests.node.streaming.client import Frames, Reader, spdy

HOST, PORT = "172.30.0.11", 10250
PATH = "/portForward/default/p"
URL = f"http://{HOST}:{PORT}{PATH}"
SERVER = """
import socketserver, threading
class Upper(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line.upper())
        self.wfile.write(b"end")
def serve(host, port, six=False):
    kind = type("Server", (socketserver.ThreadingTCPServer,), {"address_family": 10 if six else 2})
    threading.Thread(target=kind((host, port), Upper).serve_forever).start()
serve("127.0.0.1", 8001)
serve("::1", 8002, True)
"""
REFUSED = "connect: connection refused"


def test_an_inbox_gives_back_what_was_put_in_and_then_its_end() -> None:
    async def main() -> list[bytes]:
        inbox = Inbox()
        waiting = asyncio.ensure_future(inbox.get())
        await asyncio.sleep(0)
        for data in (b"a", b"b", b"", b"late"):
            inbox.put(data)
        found = [await waiting, await inbox.get(), await inbox.get(), await inbox.get(), await inbox.get()]
        assert inbox.size == 0
        return found

    assert asyncio.run(main())[:2] == [b"a", b"b"]


async def server(node: NodeBench) -> str:
    """A pod that listens on its loopback addresses alone; its uid."""
    script = f"python3 -c '{SERVER}'"
    made = await node.create("p", shell(script, readinessProbe={"exec": {"command": ["true"]}}))
    await node.until("p", ready)
    return made.metadata.uid


def refused(port: int, uid: str) -> str:
    return (
        f"error forwarding port {port} to pod p_default, uid {uid}: failed to connect to localhost:{port} inside the "
        f"pod's network namespace, IPv4: dial tcp4 127.0.0.1:{port}: {REFUSED}, IPv6: dial tcp6 [::1]:{port}: {REFUSED}"
    )


async def talk(send: Callable[[bytes], Awaitable[object]], read: Callable[[], Awaitable[bytes]]) -> Reader:
    """Three connections, two of which are answered, in one session."""
    frames, got = Frames(), Reader()
    for number, port in enumerate(("8001", "8002", "81")):
        for at, kind in enumerate(("error", "data")):
            headers = {"streamtype": kind, "port": port} | ({} if number == 2 else {"requestid": str(number)})
            await send(frames.open(4 * number + 2 * at + 1, headers))
    while not {1, 3, 5, 7, 9, 11} <= got.replied:
        got.feed(await read())
    while got.said.get(3, b"") != b"FIRST\n":  # until the servers listen, a connection would be refused
        await send(frames.data(3, b"first\n"))
        while b"\n" not in got.said.get(3, b""):
            got.feed(await read())
    await send(frames.data(7, b"second\n") + frames.data(3, b"", end=True) + frames.data(7, b"", end=True))
    while not {1, 3, 5, 7, 9, 11} <= got.ended:
        data = await read()
        assert data, (got.said, got.ended)
        got.feed(data)
    return got


def check(got: Reader, uid: str) -> None:
    assert (got.said[3], got.said[7]) == (b"FIRST\nend", b"SECOND\nend")
    assert got.said[1] == got.said[5] == got.said[11] == b""
    assert got.said[9].decode() == refused(81, uid)


async def listening(session: aiohttp.ClientSession) -> None:
    """Waits until both servers answer."""
    for port in (8001, 8002):
        while True:
            async with session.ws_connect(f"{URL}?ports={port}", protocols=("v4.channel.k8s.io",)) as ws:
                await ws.send_bytes(b"\0x\n")
                said = [await ws.receive_bytes() for _ in range(3)]
                if said[2][0] == 0:
                    break


@pytest.mark.kernel
@pytest.mark.slow
def test_ports_on_a_pods_loopback_are_reached_through_spdy_bare_and_inside_a_websocket() -> None:
    async def work(node: NodeBench) -> tuple[str, Reader, str, Reader]:
        async with node.agent(), aiohttp.ClientSession() as session:
            uid = await server(node)
            await listening(session)
            async with spdy(HOST, PORT, PATH, ["portforward.k8s.io"]) as client:
                bare = await talk(client.send, lambda: client.reader.read(65536))
            async with session.ws_connect(URL, protocols=("SPDY/3.1+portforward.k8s.io",)) as ws:
                inside = await talk(ws.send_bytes, ws.receive_bytes)
            return client.head, bare, uid, inside

    head, bare, uid, inside = on_node(work)
    assert "X-Stream-Protocol-Version: portforward.k8s.io\r\n" in head
    check(bare, uid)
    check(inside, uid)


@pytest.mark.kernel
@pytest.mark.slow
def test_ports_are_reached_over_channels_in_every_subprotocol() -> None:
    names = ("", "portforward.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io")

    async def work(node: NodeBench) -> tuple[str, list[dict[int, bytes]], list[tuple[int, str]]]:
        found = []
        async with node.agent(), aiohttp.ClientSession() as session:
            uid = await server(node)
            await listening(session)
            for name in names:
                coded = "base64" in name
                said = {0: b"", 1: b"", 2: b"", 3: b""}
                async with session.ws_connect(f"{URL}?ports=8001,81", protocols=(name,) if name else ()) as ws:
                    await (ws.send_str("0" + base64.b64encode(b"x\n").decode()) if coded else ws.send_bytes(b"\0x\n"))
                    while not (said[0].endswith(b"X\n") and len(said[3]) > 2):
                        data = await (ws.receive_str() if coded else ws.receive_bytes())
                        channel = int(data[0]) if isinstance(data, str) else data[0]
                        said[channel] += base64.b64decode(data[1:]) if coded else data[1:]  # type: ignore[operator]
                found.append(said)
            refusals = []
            for query in ("", "?ports=", "?ports=x", "?ports=70000", "?ports=" + ",".join(["1"] * 101)):
                try:
                    async with session.ws_connect(URL + query, protocols=("v4.channel.k8s.io",)):
                        refusals.append((101, ""))
                except aiohttp.WSServerHandshakeError as error:
                    refusals.append((error.status, ""))
            return uid, found, refusals

    uid, found, refusals = on_node(work)
    port, closed = (8001).to_bytes(2, "little"), (81).to_bytes(2, "little")
    for said in found:
        assert said == {0: port + b"X\n", 1: port, 2: closed, 3: closed + refused(81, uid).encode()}
    assert refusals == [(400, "")] * 5


@pytest.mark.kernel
@pytest.mark.slow
def test_malformed_streams_are_refused_and_malformed_frames_end_the_session() -> None:
    async def work(node: NodeBench) -> tuple[set[int], bool]:
        async with node.agent():
            await node.create("p", shell("sleep 600"))
            await node.until("p", ready)
            async with spdy(HOST, PORT, PATH, ["portforward.k8s.io"]) as client:
                cases = (
                    {"streamtype": "stdin", "port": "80"},
                    {"streamtype": "data", "port": "0"},
                    {"streamtype": "data"},
                    {"streamtype": "data", "port": "²"},
                )
                for at, headers in enumerate(cases):
                    await client.send(client.frames.open(2 * at + 1, headers))
                while len(client.got.reset) < len(cases):
                    assert await client.read()
            async with spdy(HOST, PORT, PATH, ["portforward.k8s.io"]) as hostile:
                await hostile.send(b"\xff" * 64)
                await hostile.to_the_end()
            return client.got.reset, True

    assert on_node(work) == ({1, 3, 5, 7}, True)


class Recorder:
    """A client's pipe without a network: gives the pieces of a script, keeps what is written."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = list(pieces)
        self.got = Reader()
        self.gone = asyncio.Event()

    async def read(self) -> bytes:
        if self._pieces:
            return self._pieces.pop(0)
        await self.gone.wait()
        return b""

    async def write(self, data: bytes) -> None:
        self.got.feed(data)

    async def close(self) -> None:
        self.gone.set()


async def _nowhere(port: int) -> socket.socket:
    raise OSError(f"no port {port}")


def test_a_stream_without_its_partner_is_refused_after_a_while_and_a_pair_is_not() -> None:
    async def main() -> Reader:
        frames = Frames()
        opened = [
            frames.open(1, {"streamtype": "error", "port": "80", "requestid": "lone"}),
            frames.open(3, {"streamtype": "error", "port": "80", "requestid": "pair"}),
            frames.open(5, {"streamtype": "data", "port": "80", "requestid": "pair"}),
        ]
        pipe = Recorder(*opened)
        forwarding = SpdyForwarding(pipe, _nowhere, pod="p_ns", uid="u")
        running = asyncio.ensure_future(forwarding.run(lambda: None))
        await asyncio.sleep(60)
        pipe.gone.set()
        await running
        return pipe.got

    got = run_jumping(main())
    assert got.reset == {1}
    assert got.ended == {3, 5}
    assert got.said[3] == b"error forwarding port 80 to pod p_ns, uid u: no port 80"
