"""Builds the API server: `start`, then `transport` in the process and `serve` on sockets, then `stop`."""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
from collections.abc import Sequence
from functools import partial

from fairlead.apiserver.http import HttpEdge
from fairlead.apiserver.local import LocalTransport
from fairlead.apiserver.model import SYSTEM, User
from fairlead.apiserver.parts import Access, Background, Base, Serving, Writing
from fairlead.apiserver.settings import ApiSettings
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.base.clock import Clock
from fairlead.base.ids import IdSource
from fairlead.base.log import Log
from fairlead.base.tasks import Nursery, keep_running
from fairlead.machinery.kinds.scheme import Scheme
from fairlead.runtime.client import Transport
from fairlead.store.health import WriteHealth
from fairlead.store.model import Store


class ApiServer:
    """The API server of one cluster."""

    def __init__(  # noqa: PLR0913 -- the wiring's one way in
        self,
        store: Store,
        *,
        scheme: Scheme,
        settings: ApiSettings,
        clock: Clock,
        rng: random.Random,
        ids: IdSource,
        log: Log,
    ) -> None:
        self._log = log
        self._started = False
        self._stopping = False
        self._nursery = Nursery()
        self._store = WriteHealth(store)
        self._resources = Resources(scheme, self._store)
        base = Base(scheme, self._store, self._resources, settings, clock=clock, rng=rng, ids=ids, log=log)
        self._access = Access(base)
        self._writing = Writing(base, self._access)
        self._serving = Serving(base, self._access, self._writing, self._ready)
        self._core, self._kubelet = self._serving.core, self._serving.kubelet
        self._background = Background(base, self._access, self._writing, self._serving, self._nursery)
        pages = settings.extensions.pages
        answer_page = partial(pages.answer, backend=self) if pages is not None else None
        self._edge = HttpEdge(self._core, self._access.authenticators, self._kubelet, answer_page=answer_page)

    async def start(self) -> None:
        """Reads the store and creates the objects that every cluster has; afterwards the in-process transport
        works."""
        await self._resources.load()
        self._writing.allocator.follow(self._resources)
        self._access.roles.index.follow()
        await self._background.prepare()
        await self._nursery.__aenter__()
        await self._background.custom.load()
        for name, work in self._background.works():
            self._nursery.spawn(keep_running(name, work, log=self._log))
        self._started = True

    async def complete(self) -> None:
        """Creates the initial objects that `start` leaves to a task, which creates them later. Raises StatusError."""
        await self._background.flow_control.sync()

    async def wait_for_revision(self, revision: int) -> None:
        """Waits until the caches have the state of a revision that was written to the store beside this server."""
        await self._resources.wait_for_revision(revision)

    async def end_deleted_pods(self, node: str) -> None:
        """Makes a node kill the Pods that are gone from this server, and waits until they have ended. Raises
        StatusError."""
        await self._kubelet.end_deleted_pods(node)

    def transport(self, user: User = SYSTEM) -> Transport:
        """Returns an in-process transport for components of the same process."""
        return LocalTransport(self._core, user)

    async def read_node(self, node: str, path: str) -> bytes:
        """Returns the body of a path of a node's own API, without a check of rights. Raises StatusError."""
        return await self._kubelet.read(node, path)

    async def serve(self, socks: Sequence[socket.socket], ssl_context: ssl.SSLContext | None) -> None:
        """Serves on listening sockets; returns as soon as it serves."""
        await self._edge.start(socks, ssl_context)

    async def stop(self) -> None:
        """Ends all watches and connections. The caller closes the store."""
        self._stopping = True
        self._serving.watches.stop()
        self._resources.stop()
        await self._edge.stop()
        await self._kubelet.close()
        if self._core.auditor is not None:
            await asyncio.to_thread(self._core.auditor.close)
        await self._writing.webhooks.close()
        if self._started:
            self._started = False
            await self._nursery.__aexit__(None, None, None)

    def _ready(self) -> dict[str, bool]:
        return {
            "ping": True,
            "log": True,
            "store": self._started,
            "store-writes": self._store.writable,
            "informer-sync": self._started,
            "shutdown": not self._stopping,
        }
