"""Watches Services, opens their published ports on the host, and carries connections and datagrams to the cluster.

What must stay true: a published port is open exactly while a Service has it and an endpoint serves it; if a node
port is in use on the host, an event on the Service says so and the relay retries; a node that does not answer
delays a connection by half a second and does not end it. Connections outlive their Service, as on the nodes.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from fairlead.api.core.service.kind import Service
from fairlead.api.core.service.predicates import is_load_balancer, may_have_node_ports
from fairlead.base.clock import Clock
from fairlead.base.dataclass import dataclass
from fairlead.base.keys import key_of
from fairlead.base.limits import descriptor_limit
from fairlead.base.log import Log
from fairlead.base.tasks import Nursery, run_all
from fairlead.net.hostsockets.client import HostSocketClient, SocketRefused
from fairlead.net.model import ClusterNetwork
from fairlead.relay.copy import Address, Pump
from fairlead.relay.datagrams import Datagrams
from fairlead.relay.fdstoreclient import FdStoreClient
from fairlead.relay.plan import PublishedPort, Route, candidates, parse_urls, published_ports, render_urls, targets
from fairlead.relay.urlannotations import UrlWriter
from fairlead.runtime.backoff import Backoff
from fairlead.runtime.client import Client
from fairlead.runtime.events import Recorder
from fairlead.runtime.informer import InformerSet
from fairlead.runtime.services import ServiceView
from fairlead.service.wellknown import HOST_URLS_ANNOTATION

NOT_PUBLISHED = "NodePortNotPublished"

_ACCEPT_PAUSE_S = 0.1
_RETRY_BASE_S, _RETRY_CAP_S = 2.0, 60.0
_TRIES = 6
"""Attempts at a load balancer's address, half a second each: moving to another node may take two seconds."""


@dataclass(frozen=True, slots=True)
class HostSockets:
    """Sockets on the host's loopback: `listener` opens them, `store_client` preserves them when this process dies."""

    listener: HostSocketClient
    store_client: FdStoreClient


async def run(
    connect: Callable[[], Client],
    *,
    host: HostSockets,
    network: ClusterNetwork,
    nodes: Mapping[str, Sequence[str]],
    clock: Clock,
    log: Log,
) -> None:
    """Runs until cancelled. `connect` is called in a thread, because it may import an HTTP library (0.1 s):
    restored sockets are served before that."""
    async with Nursery() as nursery:
        relay = Relay(host, network=network, nodes=nodes, nursery=nursery, log=log)
        try:
            relay.restore()
            client = await asyncio.to_thread(connect)
            await _follow_services(relay, client, clock=clock, log=log)
        finally:
            relay.pump.close()


async def _follow_services(relay: Relay, client: Client, *, clock: Clock, log: Log) -> None:
    informers = InformerSet(client, log=log)
    recorder = Recorder(client, component="fairlead-relay", clock=clock, log=log)
    relay.view.follow(informers)
    writer = UrlWriter(client, relay.urls, log=log)
    relay.url_changed = writer.enqueue
    relay.warn = lambda service, text: recorder.event(service, "Warning", NOT_PUBLISHED, text)

    async def work() -> None:
        await informers.wait_synced()
        await relay.run()

    await run_all(informers.run(), recorder.run(), writer.run(), work())


class Relay:
    """The open ports and their tasks, kept as `view` requires."""

    def __init__(
        self,
        host: HostSockets,
        *,
        network: ClusterNetwork,
        nodes: Mapping[str, Sequence[str]],
        nursery: Nursery,
        log: Log,
    ) -> None:
        self.view = ServiceView()
        self.pump = Pump(max(1, descriptor_limit() // 4))  # two descriptors each: half of all
        self.url_changed: Callable[[str], object] = lambda key: None
        """Called with a Service whose URLs may have changed."""
        self.warn: Callable[[Service, str], object] = lambda service, text: None
        """Called with a Service whose node port the host does not give, and why."""
        self._host = host.listener
        self._store_client = host.store_client
        self._network = network
        self._balancers = (*network.fabrics, *network.balancers)
        self._nodes = nodes
        self._nursery = nursery
        self._log = log
        self._routes: dict[PublishedPort, Route] = {}
        """The route of each published port."""
        self._claims: dict[PublishedPort, set[str]] = {}
        """Published port -> keys of the Services that have it (briefly two if one takes over from the other)."""
        self._ports_of: dict[str, frozenset[PublishedPort]] = {}
        self._open: dict[PublishedPort, asyncio.Task[None]] = {}
        self._ports: dict[PublishedPort, int] = {}
        """The host's port number of each published port that is, or was, open."""
        self._turn = 0

    def restore(self) -> None:
        """Serves the ports of an earlier relay, whose sockets are still open."""
        for published, before in self._store_client.restored.items():
            self._routes[published] = before.route
            self._open[published] = self._nursery.spawn(
                self._serve(published, before.sock), name=f"published port {published}"
            )

    async def run(self) -> None:
        """Runs until cancelled. Start it once the informers are synced."""
        touched = set(self._open)  # the Service of a restored port may be deleted
        while True:
            for key in sorted(await self.view.changed()):
                touched |= self._claim(key)
                self.url_changed(key)
            for published in sorted(touched):
                self._follow(published)
            touched = set()

    def urls(self, key: str) -> tuple[Service, str] | None:
        """Returns the Service and the text of its annotation, or None if the Service is deleted."""
        service = self.view.service(key)
        if service is None:
            return None
        has_ports = may_have_node_ports(service.spec)
        text = render_urls(service, self._ports | self._remembered(service)) if has_ports else ""
        return service, text

    def _remembered(self, service: Service) -> dict[PublishedPort, int]:
        """Returns earlier numbers of ports that are not open yet: a Service keeps its URL while it has no ready
        endpoint."""
        before = parse_urls(service.metadata.annotations.get(HOST_URLS_ANNOTATION, ""))
        key = key_of(service.metadata)
        numbers: dict[PublishedPort, int] = {}
        for port in service.spec.ports:
            for published in (PublishedPort(key, "TCP", port.port), PublishedPort(key, "UDP", port.port)):
                number = before.get(str(published))
                if number is not None and published not in self._ports and is_load_balancer(service.spec):
                    numbers[published] = number
        return numbers

    def _claim(self, key: str) -> frozenset[PublishedPort]:
        """Updates the published ports of a Service; returns those that were added or removed."""
        before = self._ports_of.pop(key, frozenset())
        routes = published_ports(self.view.service(key), self.view.slices(key), networks=self._balancers)
        now = frozenset(routes)
        if now:
            self._ports_of[key] = now
        self._routes |= routes
        for published, route in routes.items():
            self._store_client.change(published, route)
        for published in before - now:
            self._claims[published].discard(key)
        for published in now - before:
            self._claims.setdefault(published, set()).add(key)
        if self.view.service(key) is None:
            for published in [published for published in self._ports if published.service == key]:
                del self._ports[published]
        return before ^ now

    def _follow(self, published: PublishedPort) -> None:
        if self._claims.get(published):
            if published not in self._open:
                self._open[published] = self._nursery.spawn(
                    self._keep_open(published), name=f"published port {published}"
                )
            return
        self._claims.pop(published, None)
        self._routes.pop(published, None)
        if published.is_node_port:
            self._ports.pop(published, None)
        self._store_client.remove(published)
        task = self._open.pop(published, None)
        if task:
            task.cancel()

    async def _keep_open(self, published: PublishedPort) -> None:
        """Runs until cancelled."""
        sock = await self._listen(published)
        self._store_client.store(published, self._routes.get(published, Route()), sock)
        await self._serve(published, sock)

    async def _serve(self, published: PublishedPort, sock: socket.socket) -> None:
        self._ports[published] = sock.getsockname()[1]
        self._log.info("published", published=published, service=published.service, port=self._ports[published])
        for key in sorted(self._claims.get(published, ())):
            self.url_changed(key)
        if published.protocol == "UDP":
            datagrams = Datagrams(sock, lambda: self._targets(published)[0])
            try:
                await asyncio.Future()
            finally:
                datagrams.close()
        with sock:
            await self._accept_from(sock, published)

    async def _accept_from(self, listener: socket.socket, published: PublishedPort) -> None:
        targets = partial(self._targets, published)
        while True:
            failed: asyncio.Future[OSError] = asyncio.get_running_loop().create_future()
            self.pump.accept_from(listener, targets, failed.set_result)
            try:
                error = await failed
            finally:
                self.pump.stop_accepting(listener)
            self._log.warn("cannot accept", published=published, error=error, carried=self.pump.count)
            await asyncio.sleep(_ACCEPT_PAUSE_S)

    def _targets(self, published: PublishedPort) -> list[Address]:
        self._turn += 1
        return targets(
            self._routes.get(published, Route()), published.port, nodes=self._nodes, turn=self._turn, tries=_TRIES
        )

    async def _listen(self, published: PublishedPort) -> socket.socket:
        backoff = Backoff(base_s=_RETRY_BASE_S, cap_s=_RETRY_CAP_S, rng=random.Random(str(published)))
        low, high = self._network.node_port_range
        while True:
            for port in candidates(published, self._last_port(published), taken=range(low, high + 1)):
                try:
                    return await self._host.listen(port, published.protocol)
                except SocketRefused as error:
                    self._refused(published, port, str(error))
                except OSError as error:
                    self._log.warn("the supervisor does not answer", port=port, error=error)
            await asyncio.sleep(backoff.next())

    def _last_port(self, published: PublishedPort) -> int:
        service = self.view.service(published.service)
        noted = parse_urls(service.metadata.annotations.get(HOST_URLS_ANNOTATION, "")) if service is not None else {}
        return self._ports.get(published) or noted.get(str(published), 0)

    def _refused(self, published: PublishedPort, port: int, why: str) -> None:
        self._log.info("port not opened", published=published, port=port, why=why)
        if not published.is_node_port:
            return
        text = (
            f"127.0.0.1:{port} on the host cannot be listened on: {why}. The port still works on the nodes; will retry"
        )
        for key in sorted(self._claims.get(published, ())):
            service = self.view.service(key)
            if service is not None:
                self.warn(service, text)
