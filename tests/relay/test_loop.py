"""The relay against a fake API, a real supervisor's side and a stand-in for a node, all on loopback addresses."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from ipaddress import IPv4Network
from typing import Any, cast

import msgspec

from fairlead.api.core.event.kind import EVENT
from fairlead.api.core.service.kind import SERVICE, LoadBalancerIngress, Service
from fairlead.api.discovery.endpointslice.kind import ENDPOINT_SLICE, EndpointPort
from fairlead.base.clock import FakeClock
from fairlead.base.ids import RandomIds
from fairlead.base.log import SILENT
from fairlead.base.tasks import stop
from fairlead.net.hostsockets.client import HostSocketClient
from fairlead.relay.fdstore import FdStore
from fairlead.relay.fdstoreclient import FdStoreClient
from fairlead.relay.host import handle_request
from fairlead.relay.loop import NOT_PUBLISHED, HostSockets, run
from fairlead.runtime.client import Client
from fairlead.runtime.fake import FakeClient
from fairlead.service.wellknown import HOST_URLS_ANNOTATION
from tests.proxy.objects import NETWORK, endpoint, node_port_service, port, service, slice_of

NODE = "127.0.0.2"


@dataclass
class World:
    api: FakeClient
    port: int
    fd_store: FdStore
    start: Callable[[Callable[[], Client]], asyncio.Task[None]]
    """Starts a relay that makes its client so."""
    relay: asyncio.Task[None]

    async def kill_relay(self) -> None:
        await stop(self.relay)
        self.fd_store.receive()

    async def until_nothing_is_kept(self) -> None:
        async with asyncio.timeout(30):
            while self.fd_store.contents():  # noqa: ASYNC110 -- asks pid 1's side: no event to wait for
                await asyncio.sleep(0.001)

    async def ask(self, port: int = 0) -> str:
        """Returns the answer of the host's node port (or another one), or the error's name."""
        try:
            async with asyncio.timeout(30):
                reader, writer = await asyncio.open_connection("127.0.0.1", port or self.port)
                with contextlib.closing(writer):
                    return (await reader.read()).decode()
        except OSError as error:
            return type(error).__name__

    async def until(self, wanted: str) -> None:
        async with asyncio.timeout(30):
            while await self.ask() != wanted:  # noqa: ASYNC110 -- asks over the network: no event to wait for
                await asyncio.sleep(0.005)

    async def ask_datagram(self, text: str, port: int = 0) -> str:
        """Asks again and again: the first one may come before the published is open."""
        loop = asyncio.get_running_loop()
        with socket.socket(type=socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            await loop.sock_connect(sock, ("127.0.0.1", port or self.port))
            async with asyncio.timeout(30):
                while True:
                    with contextlib.suppress(OSError, TimeoutError):
                        await loop.sock_sendall(sock, text.encode())
                        async with asyncio.timeout(0.05):
                            return (await loop.sock_recv(sock, 100)).decode()
                    await asyncio.sleep(
                        0.005
                    )  # a refused send returns at once: without a pause no other task would run

    async def note(self, wanted: str) -> None:
        """Waits until the Service's annotation says so."""

        async def noted() -> str:
            service = await self.api.get(SERVICE, "web", "default")
            return service.metadata.annotations.get(HOST_URLS_ANNOTATION, "")

        async with asyncio.timeout(30):
            while await noted() != wanted:  # noqa: ASYNC110
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

    class Echo(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast("asyncio.DatagramTransport", transport)

        def datagram_received(self, data: bytes, address: tuple[str | Any, int]) -> None:
            self.transport.sendto(b"from the node: " + data, address)

    server = await asyncio.start_server(answer, NODE, port)
    datagrams, _ = await loop.create_datagram_endpoint(Echo, (NODE, port))
    fd_store = FdStore()
    store_end = socket.socket(fileno=fd_store.relay_end)
    with relay_end, host_end, store_end, contextlib.closing(fd_store):
        loop.add_reader(host_end.fileno(), handle_request, host_end)
        loop.add_reader(fd_store.fileno(), fd_store.receive)
        async with asyncio.TaskGroup() as group:
            listener = HostSocketClient(relay_end, rng=random.Random(1))
            network = replace(NETWORK, fabric=IPv4Network("127.0.0.0/24"))
            by_name = {f"node{i}": [ip] for i, ip in enumerate(nodes, 1)}

            def start(connect: Callable[[], Client]) -> asyncio.Task[None]:
                stored = [replace(stored, fd=os.dup(stored.fd)) for stored in fd_store.contents()]
                work = run(
                    connect,
                    host=HostSockets(listener, FdStoreClient(store_end, stored)),
                    network=network,
                    nodes=by_name,
                    clock=clock,
                    log=SILENT,
                )
                return group.create_task(work)

            at = World(api, port, fd_store, start, start(lambda: api))
            try:
                yield at
            finally:
                loop.remove_reader(host_end.fileno())
                loop.remove_reader(fd_store.fileno())
                at.relay.cancel()
                server.close()
                datagrams.close()


def free_port() -> int:
    """A port that is free on the host and on the node, as is the one 8,000 above it."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as found:
            port: int = found.getsockname()[1]
        if port + 8000 > 65535:
            continue
        above, there = ("127.0.0.1", port + 8000), (NODE, port)
        with contextlib.suppress(OSError), socket.create_server(above), socket.create_server(there):
            return port


def scenario(body: Callable[[World], Awaitable[None]], *, port: int = 0, nodes: tuple[str, ...] = (NODE,)) -> None:
    async def go() -> None:
        async with world(port or free_port(), nodes=nodes) as at:
            await body(at)

    asyncio.run(go())


def test_a_node_port_is_open_on_the_host_while_it_has_endpoints() -> None:
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


def test_if_no_node_answers_the_connection_is_reset() -> None:
    async def body(at: World) -> None:
        await at.api.create(SERVICE, node_port_service(at.port))
        await at.api.create(ENDPOINT_SLICE, slice_of("10.244.1.2"))
        await at.until("ConnectionResetError")

    scenario(body, nodes=("127.0.0.3",))


def test_a_port_in_use_on_the_host_makes_an_event_of_the_service() -> None:
    async def body(at: World) -> None:
        await at.api.create(SERVICE, node_port_service(at.port))
        await at.api.create(ENDPOINT_SLICE, slice_of("10.244.1.2"))
        async with asyncio.timeout(30):
            while not (events := (await at.api.list(EVENT)).items):  # noqa: ASYNC110 -- as above
                await asyncio.sleep(0.005)
        (event,) = events
        assert (event.type, event.reason, event.involvedObject.name) == ("Warning", NOT_PUBLISHED, "web")
        assert event.message.startswith(
            f"127.0.0.1:{at.port} on the host cannot be listened on: Address already in use"
        )

    with socket.create_server(("127.0.0.1", 0)) as other:
        scenario(body, port=other.getsockname()[1])


def balanced(number: int, ip: str = NODE, **spec: Any) -> Service:
    made = service(**({"type": "LoadBalancer", "ports": [port(number)]} | spec))
    made.status.loadBalancer.ingress = [LoadBalancerIngress(ip=ip, ipMode="VIP")]
    return made


def test_a_load_balancers_port_is_published_under_its_number_and_annotated() -> None:
    async def body(at: World) -> None:
        await at.api.create(SERVICE, balanced(at.port))
        await at.api.create(ENDPOINT_SLICE, slice_of("10.244.1.2"))
        await at.until("from the node")
        await at.note(f"{at.port}/TCP=tcp://127.0.0.1:{at.port}")
        piece = await at.api.get(ENDPOINT_SLICE, "web-1", "default")
        await at.api.update(ENDPOINT_SLICE, msgspec.structs.replace(piece, endpoints=[]))
        await at.until("ConnectionRefusedError")
        await at.note(f"{at.port}/TCP=tcp://127.0.0.1:{at.port}")
        made = await at.api.get(SERVICE, "web", "default")
        made.spec.type = "ClusterIP"
        await at.api.update(SERVICE, made)
        await at.note("")

    scenario(body)


def test_a_balancers_port_that_the_host_has_taken_is_open_under_another_number() -> None:
    async def body(at: World) -> None:
        with socket.create_server(("127.0.0.1", at.port)):
            await at.api.create(SERVICE, balanced(at.port, ports=[port(at.port, name="http")]))
            await at.api.create(ENDPOINT_SLICE, slice_of(ports=[EndpointPort(name="http", port=80, protocol="TCP")]))
            piece = await at.api.get(ENDPOINT_SLICE, "web-1", "default")
            await at.api.update(ENDPOINT_SLICE, msgspec.structs.replace(piece, endpoints=[endpoint("10.244.1.2")]))
            other = at.port + 8000
            await at.note(f"{at.port}/TCP=http://127.0.0.1:{other}")
            assert await at.ask(other) == "from the node"
            assert (await at.api.list(EVENT)).items == []

    scenario(body)


def test_a_port_that_was_given_before_is_asked_for_again() -> None:
    async def body(at: World) -> None:
        before = free_port()
        made = balanced(at.port)
        made.metadata.annotations = {HOST_URLS_ANNOTATION: f"{at.port}/TCP=tcp://127.0.0.1:{before}"}
        await at.api.create(SERVICE, made)
        await at.api.create(ENDPOINT_SLICE, slice_of("10.244.1.2"))
        async with asyncio.timeout(30):
            while await at.ask(before) != "from the node":  # noqa: ASYNC110 -- asks over the network
                await asyncio.sleep(0.005)
        await at.note(f"{at.port}/TCP=tcp://127.0.0.1:{before}")

    scenario(body)


def test_an_address_that_moves_is_followed_without_closing_the_published_port() -> None:
    async def body(at: World) -> None:
        await at.api.create(SERVICE, balanced(at.port, "127.0.0.77"))
        await at.api.create(ENDPOINT_SLICE, slice_of("10.244.1.2"))
        await at.until("ConnectionResetError")
        await at.api.update(SERVICE, balanced(at.port), subresource="status")
        await at.until("from the node")

    scenario(body)


def test_datagrams_go_through_a_node_port_and_a_balancers_port() -> None:
    async def body(at: World) -> None:
        wanted = service(type="NodePort", ports=[port(53, protocol="UDP", nodePort=at.port)])
        udp = [EndpointPort(port=53, protocol="UDP", name="")]
        await at.api.create(SERVICE, wanted)
        await at.api.create(ENDPOINT_SLICE, slice_of("10.244.1.2", ports=udp))
        assert await at.ask_datagram("hello") == "from the node: hello"
        await at.api.delete(SERVICE, "web", "default")
        await at.api.create(SERVICE, balanced(at.port, ports=[port(at.port, protocol="UDP")]))
        await at.note(f"{at.port}/UDP=udp://127.0.0.1:{at.port}")
        assert await at.ask_datagram("again") == "from the node: again"

    scenario(body)


def test_a_new_client_waits_for_a_restarted_relay_which_serves_before_the_api_answers() -> None:
    async def body(at: World) -> None:
        await at.api.create(SERVICE, node_port_service(at.port))
        await at.api.create(ENDPOINT_SLICE, slice_of("10.244.1.2"))
        await at.until("from the node")
        await at.kill_relay()
        asking = asyncio.ensure_future(at.ask())
        api_answers = threading.Event()

        def connect() -> Client:
            api_answers.wait()
            return at.api

        at.relay = at.start(connect)
        try:
            assert await asking == "from the node"
        finally:
            api_answers.set()
        await at.api.delete(SERVICE, "web", "default")
        await at.until("ConnectionRefusedError")

    scenario(body)


def test_a_published_port_whose_service_went_while_the_relay_was_dead_is_closed() -> None:
    async def body(at: World) -> None:
        await at.api.create(SERVICE, node_port_service(at.port))
        await at.api.create(ENDPOINT_SLICE, slice_of("10.244.1.2"))
        await at.until("from the node")
        await at.kill_relay()
        assert len(at.fd_store.contents()) == 1
        await at.api.delete(SERVICE, "web", "default")
        at.relay = at.start(lambda: at.api)
        await at.until_nothing_is_kept()
        assert await at.ask() == "ConnectionRefusedError"

    scenario(body)


def test_the_route_of_a_restored_port_follows_the_service() -> None:
    async def body(at: World) -> None:
        await at.api.create(SERVICE, balanced(at.port, "127.0.0.77"))
        await at.api.create(ENDPOINT_SLICE, slice_of("10.244.1.2"))
        await at.until("ConnectionResetError")
        await at.api.update(SERVICE, balanced(at.port), subresource="status")
        await at.until("from the node")
        await at.kill_relay()
        assert [json.loads(stored.state)[0] for stored in at.fd_store.contents()] == [NODE]

    scenario(body)
