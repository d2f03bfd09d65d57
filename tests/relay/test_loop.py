"""The relay against a fake API, a real supervisor's side and a stand-in for a node, all on loopback addresses."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from fairlead.api.endpointslice import ENDPOINT_SLICE
from fairlead.api.event import EVENT
from fairlead.api.service import SERVICE, Service
from fairlead.base.clock import FakeClock
from fairlead.base.ids import RandomIds
from fairlead.base.log import SILENT
from fairlead.relay.host import handle_request
from fairlead.relay.loop import NOT_PUBLISHED, HostListener, run
from fairlead.relay.plan import host_ports
from fairlead.runtime.fake import FakeClient
from tests.proxy.objects import endpoint, node_port_service, port, service, slice_of

NODE = "127.0.0.2"


@dataclass
class World:
    api: FakeClient
    port: int

    async def ask(self) -> str:
        """What the host's node port answers, or the error's name."""
        try:
            async with asyncio.timeout(3):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                with contextlib.closing(writer):
                    return (await reader.read()).decode()
        except OSError as error:
            return type(error).__name__

    async def until(self, wanted: str) -> None:
        async with asyncio.timeout(5):
            while await self.ask() != wanted:  # noqa: ASYNC110 -- asks over the network: no event to wait for
                await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def world(port: int, *, nodes: tuple[str, ...] = (NODE,)) -> AsyncIterator[World]:
    """A node that answers on the port, the supervisor's side, and a running relay."""
    clock = FakeClock()
    api = FakeClient(clock=clock, ids=RandomIds(random.Random(1)))
    relay_end, host_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    loop = asyncio.get_running_loop()

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            writer.write(b"from the node")
            await writer.drain()

    server = await asyncio.start_server(answer, NODE, port)
    with relay_end, host_end:
        loop.add_reader(host_end.fileno(), handle_request, host_end)
        async with asyncio.TaskGroup() as group:
            listener = HostListener(relay_end)
            relay = group.create_task(run(api, host=listener, node_ips=nodes, clock=clock, log=SILENT))
            try:
                yield World(api, port)
            finally:
                loop.remove_reader(host_end.fileno())
                relay.cancel()
                server.close()


def free_port() -> int:
    while True:
        with socket.create_server(("127.0.0.1", 0)) as found:
            port: int = found.getsockname()[1]
        with contextlib.suppress(OSError), socket.create_server((NODE, port)):
            return port


def scenario(body: Callable[[World], Awaitable[None]], *, port: int = 0, nodes: tuple[str, ...] = (NODE,)) -> None:
    async def go() -> None:
        async with world(port or free_port(), nodes=nodes) as at:
            await body(at)

    asyncio.run(go())


def test_a_node_port_is_open_on_the_host_while_somebody_serves_behind_it() -> None:
    async def body(at: World) -> None:
        await at.api.create(SERVICE, node_port_service(at.port))
        await asyncio.sleep(0)
        assert await at.ask() == "ConnectionRefusedError"
        await at.api.create(ENDPOINT_SLICE, slice_of("10.244.1.2"))
        await at.until("from the node")
        piece = await at.api.get(ENDPOINT_SLICE, "web-1", "default")
        piece.endpoints = [endpoint("10.244.1.2", ready=False)]
        await at.api.update(ENDPOINT_SLICE, piece)
        await at.until("ConnectionRefusedError")
        piece = await at.api.get(ENDPOINT_SLICE, "web-1", "default")
        piece.endpoints = [endpoint("10.244.1.2")]
        await at.api.update(ENDPOINT_SLICE, piece)
        await at.until("from the node")
        await at.api.delete(SERVICE, "web", "default")
        await at.until("ConnectionRefusedError")

    scenario(body)


def test_a_node_that_does_not_answer_is_passed_over() -> None:
    async def body(at: World) -> None:
        await at.api.create(SERVICE, node_port_service(at.port))
        await at.api.create(ENDPOINT_SLICE, slice_of("10.244.1.2"))
        await at.until("from the node")
        assert [await at.ask() for _ in range(4)] == ["from the node"] * 4

    scenario(body, nodes=("127.0.0.3", NODE, "127.0.0.4"))


def test_where_no_node_answers_the_connection_is_reset() -> None:
    async def body(at: World) -> None:
        await at.api.create(SERVICE, node_port_service(at.port))
        await at.api.create(ENDPOINT_SLICE, slice_of("10.244.1.2"))
        await at.until("ConnectionResetError")

    scenario(body, nodes=("127.0.0.3",))


def test_a_port_that_the_host_has_taken_is_said_on_the_service() -> None:
    async def body(at: World) -> None:
        await at.api.create(SERVICE, node_port_service(at.port))
        await at.api.create(ENDPOINT_SLICE, slice_of("10.244.1.2"))
        async with asyncio.timeout(5):
            while not (events := (await at.api.list(EVENT)).items):  # noqa: ASYNC110 -- as above
                await asyncio.sleep(0.005)
        (event,) = events
        assert (event.type, event.reason, event.involvedObject.name) == ("Warning", NOT_PUBLISHED, "web")
        assert event.message.startswith(
            f"127.0.0.1:{at.port} on the host cannot be listened on: Address already in use"
        )

    with socket.create_server(("127.0.0.1", 0)) as other:
        scenario(body, port=other.getsockname()[1])


@pytest.mark.parametrize(
    ("wanted", "ports"),
    [
        (node_port_service(30080), {30080}),
        (node_port_service(30080, ports=[port(nodePort=30080, protocol="UDP")]), set()),
        (node_port_service(30080, ports=[port(nodePort=30080), port(81, name="b", nodePort=30081)]), {30080}),
        (service(ports=[port(nodePort=30080)]), set()),
        (node_port_service(30080, type="LoadBalancer"), {30080}),
        (None, set()),
    ],
    ids=["tcp", "udp", "a port nobody serves", "cluster ip", "load balancer", "gone"],
)
def test_only_served_tcp_node_ports_are_published(wanted: Service | None, ports: set[int]) -> None:
    assert host_ports(wanted, [slice_of("10.244.1.2")]) == ports
