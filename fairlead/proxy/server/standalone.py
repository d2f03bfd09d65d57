"""Runs a node's proxies against any API server: waits for the Node, then follows the Node and the ServiceCIDRs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from fairlead.api.core.node.kind import NODE, Node
from fairlead.api.networking.servicecidr.kind import SERVICE_CIDR
from fairlead.base.clock import Clock
from fairlead.base.dataclass import dataclass
from fairlead.base.log import Log
from fairlead.base.tasks import run_all
from fairlead.machinery.values.status import StatusError
from fairlead.net.conntrack.model import FlowTable
from fairlead.proxy.server.alone import base_proxier, node_views
from fairlead.proxy.server.serving import ProxyServer, bindings_of, serve
from fairlead.proxy.settings.config import ProxyConfig
from fairlead.proxy.settings.following import RangeFollower
from fairlead.proxy.sync.activebackend import Makers, ProxyContext
from fairlead.proxy.sync.loop import Proxy
from fairlead.runtime.client import Client
from fairlead.runtime.informer import InformerSet
from fairlead.service.node import NodeView

_WAIT_S = 1.0


@dataclass(frozen=True, slots=True)
class Kernel:
    """The kernel's interfaces in one network namespace."""

    makers: Makers
    flows: FlowTable
    route_localnet: Callable[[bool], object]


class _OtherFamilies(Exception):
    """The node's address families changed."""


async def run(client: Client, name: str, config: ProxyConfig, *, kernel: Kernel, clock: Clock, log: Log) -> None:
    """Runs until cancelled, for the node of that name. Raises StatusError if the server does not authenticate the
    client."""
    while True:
        views = await _views(client, name, config, log)
        log.info("proxying", node=name, addresses=",".join(str(view.ip) for view in views))
        try:
            await _Alone(client, config, views, kernel=kernel, clock=clock, log=log).run()
        except* _OtherFamilies:
            log.info("the node's address families changed: restarting its proxies", node=name)


async def _views(client: Client, name: str, config: ProxyConfig, log: Log) -> list[NodeView]:
    """Waits until the Node exists and has an address."""
    told = ""
    while True:
        try:
            views = node_views(await client.get(NODE, name), config)
            if views:
                return views
            missing = "the Node object has no address"
        except StatusError as error:
            if error.code in (401, 403):
                raise
            missing = str(error)
        except ConnectionError as error:
            missing = f"the API server cannot be reached: {error}"
        if missing != told:
            told = missing
            log.warn("waiting for the node", node=name, reason=missing)
        await asyncio.sleep(_WAIT_S)


class _Alone:
    """The proxies, for as long as the node has the families of `views`."""

    def __init__(
        self,
        client: Client,
        config: ProxyConfig,
        views: Sequence[NodeView],
        *,
        kernel: Kernel,
        clock: Clock,
        log: Log,
    ) -> None:
        self._client = client
        self._config = config
        self._views = list(views)
        self._ranges: list[str] = []
        self._others = asyncio.Event()
        self._log = log
        self._proxies = [
            Proxy(
                ProxyContext(base_proxier(view, config, ()), kernel.makers, kernel.flows, kernel.route_localnet),
                config,
                node=view,
                clock=clock,
                log=log,
            )
            for view in views
        ]
        self._server = ProxyServer(
            self._proxies, client=client, clock=clock, log=log, bindings=bindings_of(config), moved=self._node_changed
        )

    async def run(self) -> None:
        informers = InformerSet(self._client, log=self._log)
        self._server.follow(informers)
        if await self._has_ranges():
            RangeFollower(self._ranges_changed).follow(informers)
        await run_all(serve(informers, self._server), self._until_others())

    async def _until_others(self) -> None:
        await self._others.wait()
        raise _OtherFamilies

    async def _has_ranges(self) -> bool:
        """Returns whether the API has ServiceCIDRs. Servers before Kubernetes 1.33 do not: unclaimed addresses are
        not refused then."""
        try:
            await self._client.list(SERVICE_CIDR)
        except StatusError as error:
            self._log.warn("the API does not serve ServiceCIDRs: unclaimed cluster IPs are not refused", error=error)
            return False
        except ConnectionError:
            return True
        return True

    def _node_changed(self, node: Node | None) -> None:
        """Follows the Node. A deleted Node may come back: until then all stays as it was."""
        views = node_views(node, self._config) if node is not None else self._views
        if [view.family for view in views] != [view.family for view in self._views]:
            if views:
                self._others.set()
            return
        self._views = views
        self._moved()

    def _ranges_changed(self, ranges: list[str]) -> None:
        self._ranges = ranges
        self._moved()

    def _moved(self) -> None:
        for proxy, view in zip(self._proxies, self._views, strict=True):
            proxy.move(view, base_proxier(view, self._config, self._ranges))
