"""Keeps the node's Node object and Lease alive: registers it, renews it, and puts right what others have changed."""

from __future__ import annotations

import asyncio
import contextlib
from typing import NoReturn

import msgspec

from fairlead.api.coordination.lease.kind import LEASE
from fairlead.api.core.node.kind import NODE, Node, NodeStatus
from fairlead.base.clock import Clock
from fairlead.base.instant import Instant, render_micro_time
from fairlead.base.log import Log
from fairlead.machinery.values.status import StatusError
from fairlead.node.nodestatus.monitor import NodeMonitor
from fairlead.node.nodestatus.registration import (
    LEASE_NAMESPACE,
    Host,
    is_ready,
    labels,
    make_lease,
    make_node,
    make_status,
)
from fairlead.node.settings import NodeSettings
from fairlead.runtime.client import Client
from fairlead.runtime.informer import Informer

_LEASE_EVERY_S = 10.0
_STATUS_EVERY_S = 300.0
_RETRY_S = 0.1
_LONGEST_RETRY_S = 2.0


class Heartbeat:
    """`nodes` is an informer on this one node."""

    def __init__(  # noqa: PLR0913 -- what the status is made of
        self,
        settings: NodeSettings,
        host: Host,
        client: Client,
        nodes: Informer[Node],
        monitor: NodeMonitor,
        *,
        clock: Clock,
        log: Log,
    ) -> None:
        self._settings = settings
        self._host = host
        self._client = client
        self._nodes = nodes
        self._monitor = monitor
        self._clock = clock
        self._log = log
        self._wake = asyncio.Event()

    async def report(self) -> None:
        """Reports the node's state until cancelled."""
        self._nodes.add_handler(self._seen)
        self._monitor.changed = self._wake.set
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_status())
            group.create_task(self._keep_lease())

    def _seen(self, key: str, old: Node | None, new: Node | None) -> None:
        if new is None or not is_ready(new):
            self._wake.set()

    async def _keep_status(self) -> NoReturn:
        pause_s = _RETRY_S
        while True:
            try:
                await self._report()
            except (ConnectionError, StatusError) as error:
                self._log.debug("cannot report the node", error=error)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_RETRY_S)
                continue
            pause_s = _RETRY_S
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STATUS_EVERY_S):
                    await self._wake.wait()
            # a client that writes other values makes the node answer at most ten times a second
            await asyncio.sleep(_RETRY_S)

    async def _report(self) -> None:
        settings, now = self._settings, self._clock.now()
        try:
            node = await self._client.get(NODE, settings.name)
        except StatusError as error:
            if error.code != 404:
                raise
            node = await self._client.create(NODE, make_node(settings, self._host, now))
            self._log.info("registered", node=settings.name)
            if is_ready(node):
                return
        status = msgspec.to_builtins(self._status(node, now))
        desired = labels(settings, self._host)
        if any(node.metadata.labels.get(key) != value for key, value in desired.items()):
            await self._client.patch(NODE, settings.name, patch={"metadata": {"labels": desired}})
        await self._client.patch(NODE, settings.name, patch={"status": status}, subresource="status")

    def _status(self, node: Node, now: Instant) -> NodeStatus:
        monitor = self._monitor
        return make_status(self._settings, self._host, now, old=node, pressure=monitor.pressure, images=monitor.images)

    async def _keep_lease(self) -> NoReturn:
        pause_s = _RETRY_S
        while True:
            try:
                await self._renew()
            except (ConnectionError, StatusError) as error:
                self._log.debug("cannot renew the lease", error=error)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_RETRY_S)
                continue
            pause_s = _RETRY_S
            await asyncio.sleep(_LEASE_EVERY_S)

    async def _renew(self) -> None:
        now, name = self._clock.now(), self._settings.name
        patch = {"spec": {"holderIdentity": name, "renewTime": render_micro_time(now)}}
        try:
            await self._client.patch(LEASE, name, LEASE_NAMESPACE, patch=patch)
        except StatusError as error:
            if error.code != 404:
                raise
            await self._client.create(LEASE, make_lease(self._settings, now, self._nodes.get(name)))
