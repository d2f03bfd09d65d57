"""The implementations of `Client` that keep one contract, each with a fresh server behind it."""

from __future__ import annotations

import random
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fairlead.api.core.namespace.kind import NAMESPACE, Namespace, NamespaceSpec, NamespaceStatus
from fairlead.api.meta.types import ObjectMeta
from fairlead.base.clock import FakeClock
from fairlead.base.ids import RandomIds
from fairlead.runtime.client import Client
from fairlead.runtime.fake import FakeClient
from fairlead.runtime.http import HttpTransport
from fairlead.runtime.typed import ApiClient
from fairlead.store.memory import MemoryStore
from tests.apiserver.harness import Api, start


class Setup(Protocol):
    """A client and what a test does to the server behind it."""

    client: Client

    @property
    def clock(self) -> FakeClock: ...

    async def restart(self) -> None:
        """Restarts the server with the same objects; it knows no change from before. Replaces `client`."""
        ...

    async def stop(self) -> None:
        """Stops the server."""
        ...


class Fake:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self._fake = FakeClient(clock=self.clock, ids=RandomIds(random.Random(7)))
        self.client: Client = self._fake

    async def restart(self) -> None:
        self._fake.compact()

    async def stop(self) -> None:
        self._fake.interrupt(down=True)


@dataclass
class Local:
    api: Api
    client: Client

    @property
    def clock(self) -> FakeClock:
        return self.api.clock

    async def restart(self) -> None:
        await self.api.server.stop()
        self.api = await start(self.api.store)
        self.client = self.api.client

    async def stop(self) -> None:
        await self.api.server.stop()


class Https:
    """A client over TLS on a loopback port, with the certificates of a cluster."""

    def __init__(self, api: Api, folder: Path) -> None:
        self.api = api
        self._folder = folder
        self._transports: list[HttpTransport] = []

    @property
    def clock(self) -> FakeClock:
        return self.api.clock

    async def serve(self) -> None:
        server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self._folder / "ca.crt"))
        server.load_cert_chain(self._folder / "apiserver.crt", self._folder / "apiserver.key")
        server.verify_mode = ssl.CERT_OPTIONAL
        client = ssl.create_default_context(cafile=str(self._folder / "ca.crt"))
        client.load_cert_chain(self._folder / "admin.crt", self._folder / "admin.key")
        sock = socket.create_server(("127.0.0.1", 0))
        await self.api.server.serve([sock], server)
        self._transports.append(HttpTransport(f"https://127.0.0.1:{sock.getsockname()[1]}", ssl_context=client))
        self.client: Client = ApiClient(self._transports[-1])

    async def restart(self) -> None:
        await self.stop()
        self.api = await start(self.api.store)
        await self.serve()

    async def stop(self) -> None:
        await self.api.server.stop()

    async def close(self) -> None:
        for transport in self._transports:
            await transport.close()


@asynccontextmanager
async def fake() -> AsyncIterator[Setup]:
    setup = Fake()
    state = NamespaceSpec(finalizers=["kubernetes"]), NamespaceStatus(phase="Active")
    for name in ("default", "kube-system"):
        await setup.client.create(NAMESPACE, Namespace(metadata=ObjectMeta(name=name), spec=state[0], status=state[1]))
    yield setup


@asynccontextmanager
async def local() -> AsyncIterator[Setup]:
    api = await start(MemoryStore())
    setup = Local(api, api.client)
    try:
        yield setup
    finally:
        await setup.api.server.stop()


@asynccontextmanager
async def https(folder: Path) -> AsyncIterator[Setup]:
    setup = Https(await start(MemoryStore()), folder)
    try:
        await setup.serve()
        yield setup
    finally:
        await setup.close()
        await setup.api.server.stop()
