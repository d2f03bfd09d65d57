"""A site of an API server on a memory store, served over plain HTTP on a loopback port."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
import msgspec
from aiohttp import web

from fairlead.apiserver.extensions import Extensions
from fairlead.apiserver.model import User
from fairlead.apiserver.pages import Backend
from fairlead.base.clock import FakeClock
from fairlead.cmd.cluster.config import ClusterConfig
from fairlead.cmd.wiring.inspection import OBJECT_PATHS
from fairlead.cmd.wiring.page import inspect
from fairlead.machinery.values.status import internal_error
from fairlead.proxy.inspection.live import Observed
from fairlead.proxy.inspection.walk import Sender
from fairlead.proxy.inspection.world import World
from fairlead.webui.explaining import Explaining
from fairlead.webui.packets import Packets
from fairlead.webui.sessions import Login, Sessions
from fairlead.webui.site import Site
from tests.apiserver.harness import Api, start

ADMIN = User("admin", ("system:masters", "system:authenticated"))


@dataclass
class FakePages:
    """A site whose nodes answer with given bodies. Implements `Pages`."""

    site: Site
    nodes: dict[str, bytes] = field(default_factory=dict)
    """Keys are node and path: `node1/stats/traffic`."""
    trying: list[str] | None = None
    """Gets the targets that a node is asked to try, which then all answer."""

    def user_of(self, headers: Mapping[str, str]) -> User | None:
        return self.site.user_of(headers)

    async def answer(self, request: web.BaseRequest, user: User, backend: Backend) -> web.StreamResponse:
        return await self.site.answer(request, user, _FakeBackend(backend, self.nodes, self.trying))


@dataclass
class _FakeBackend:
    real: Backend
    nodes: Mapping[str, bytes]
    trying: list[str] | None

    def transport(self, user: User) -> Any:
        return self.real.transport(user)

    async def read_node(self, node: str, path: str) -> bytes:
        if self.trying is not None and "/try/" in path:
            self.trying += [value for _, value in parse_qsl(path.partition("?")[2])]
            return msgspec.json.encode([_answer_to(target) for target in self.trying])
        if (body := self.nodes.get(f"{node}{path}")) is None:
            raise internal_error(f"node {node} does not answer at {path}")
        return body


def _answer_to(target: str) -> dict[str, Any]:
    """Returns the answer of a server of HTTP, and of a DNS server that knows the name and no address."""
    address, port, *sent = target.split(",")
    answer = b"HTTP/1.1 204 No Content\r\n\r\n" if sent[:1] == ["tcp"] else b""
    if sent[:1] == ["udp"]:
        question = bytes.fromhex(sent[1])
        answer = question[:2] + b"\x81\x80" + question[4:]
    return {
        "address": address,
        "port": int(port),
        "outcome": "answered",
        "detail": "",
        "answer": answer.hex(),
        "ms": 1.5,
    }


@dataclass
class SentPackets:
    """Packets that a page sent; `during` runs while one is sent. Implements `Send`."""

    to: list[tuple[str, str, int, str]] = field(default_factory=list)
    during: Callable[[], None] = lambda: None

    def __call__(self, sender: Sender, address: str, port: int, protocol: str, _: World) -> Observed:
        self.to.append((sender.address, address, port, protocol))
        self.during()
        return Observed("refused", "", sender.address, 40000, {}, {})


@dataclass
class Served:
    api: Api
    sessions: Sessions
    pages: FakePages
    origin: str
    http: aiohttp.ClientSession
    clock: FakeClock
    sent: SentPackets

    async def ask(
        self, method: str, path: str, *, login: Login | None = None, key: str | None = None, **more: Any
    ) -> tuple[int, bytes, Mapping[str, str]]:
        """Returns status, body and headers. With `login`, the request has its cookie and its key, or another `key`."""
        headers = {k.replace("_", "-"): v for k, v in more.pop("headers", {}).items()}
        if login is not None:
            headers["cookie"] = f"{login.cookie_name}={login.cookie}"
            if shown := login.key if key is None else key:
                headers["x-fairlead-key"] = shown
        async with self.http.request(method, f"{self.origin}{path}", headers=headers, **more) as answer:
            return answer.status, await answer.read(), answer.headers

    def login(self, user: User = ADMIN) -> Login:
        return self.sessions.begin(user, self.origin)


@asynccontextmanager
async def served() -> AsyncIterator[Served]:
    numbers, clock = count(), FakeClock()
    sessions = Sessions(clock=clock, random=lambda: f"secret-{next(numbers)}")
    config = ClusterConfig(name="test")
    sent = SentPackets()
    site = Site(
        sessions,
        Explaining(lambda _: {}, lambda: "cluster.local"),
        Packets(partial(inspect, config, lambda: "cluster.local"), OBJECT_PATHS, sent),
    )
    pages = FakePages(site)
    api = await start(extensions=Extensions(pages=pages))
    sock = socket.create_server(("127.0.0.1", 0))
    await api.server.serve([sock], None)
    try:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
            yield Served(api, sessions, pages, f"http://127.0.0.1:{sock.getsockname()[1]}", http, clock, sent)
    finally:
        await api.server.stop()
