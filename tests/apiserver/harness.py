"""An API server on a memory store with a frozen clock, called without sockets."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from fairlead.api.kinds import built_in
from fairlead.apiserver.model import SYSTEM, Forward, Outcome, Stream, Upgrade, User
from fairlead.apiserver.requestinfo import request_info
from fairlead.apiserver.server import ApiServer
from fairlead.apiserver.settings import ApiSettings
from fairlead.base.clock import FakeClock
from fairlead.base.ids import RandomIds
from fairlead.base.log import SILENT
from fairlead.machinery.kinds.scheme import Scheme
from fairlead.machinery.values.status import StatusError
from fairlead.runtime.client import Request, Response
from fairlead.runtime.transport import decode_status_error
from fairlead.runtime.typed import ApiClient
from fairlead.store.memory import MemoryStore
from fairlead.store.model import Store

from .tokenkeys import KEYS

Tree = dict[str, Any]


def settings(**overrides: Any) -> ApiSettings:
    settings: dict[str, Any] = {"advertise_address": "172.30.0.1", "token_keys": KEYS}
    return ApiSettings(**settings | overrides)


@dataclass
class Api:
    server: ApiServer
    scheme: Scheme
    clock: FakeClock
    store: Store
    user: User = SYSTEM

    @property
    def revision(self) -> int:
        """The revision of the server's state."""
        return self.server._resources.revision

    @property
    def client(self) -> ApiClient:
        return ApiClient(self.server.transport(self.user))

    async def call(
        self, method: str, path: str, body: Any = None, *, query: dict[str, str] | None = None, **headers: str
    ) -> Response:
        """Sends a request; `body` is a JSON tree or bytes; header names have `_` for `-`."""
        data = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
        sent = {"content-type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
        return await self.server.transport(self.user).request(Request(method, path, query or {}, sent, data))

    async def ok(self, method: str, path: str, body: Any = None, **more: Any) -> Tree:
        """Returns the response's tree. Raises StatusError for an error."""
        response = await self.call(method, path, body, **more)
        if response.status >= 400:
            raise decode_status_error(response.status, response.body)
        tree: Tree = msgspec.json.decode(response.body)
        return tree

    async def error(self, method: str, path: str, body: Any = None, **more: Any) -> StatusError:
        """Returns the error of a request that must fail."""
        response = await self.call(method, path, body, **more)
        assert response.status >= 400, response.body
        return decode_status_error(response.status, response.body)

    async def watch(self, path: str, **query: str) -> Stream:
        request = Request("GET", path, {"watch": "true"} | query, {})
        outcome = await handle(self.server, request, self.user)
        assert not isinstance(outcome, Response | Upgrade | Forward), outcome
        return outcome


async def handle(server: ApiServer, request: Request, user: User = SYSTEM) -> Outcome:
    """Returns the outcome as the server's edges get it: a stream is not read."""
    return await server._core.handle(request, request_info(request.method, request.path, request.query), user)


async def events(stream: Stream, count: int) -> list[Tree]:
    """Returns the next `count` events of a watch; they must be present or arrive without further action."""
    found: list[Tree] = []
    while len(found) < count:
        pieces = await asyncio.wait_for(stream.next(), 30)
        assert pieces, f"the stream ended after {found}"
        found += [msgspec.json.decode(piece) for piece in pieces]
    assert len(found) == count, found
    return found


def brief(found: list[Tree]) -> list[tuple[str, str]]:
    return [(event["type"], event["object"]["metadata"].get("name", "")) for event in found]


async def start(store: Store | None = None, **overrides: Any) -> Api:
    """Returns a started server with the default namespace's service account."""
    clock, rng = FakeClock(), random.Random(7)
    store = store or MemoryStore()
    scheme = built_in()
    server = ApiServer(
        store, scheme=scheme, settings=settings(**overrides), clock=clock, rng=rng, ids=RandomIds(rng), log=SILENT
    )
    await server.start()
    api = Api(server, scheme, clock, store)
    await api.call("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
    return api


def story(test: Callable[[Api], Awaitable[None]]) -> Callable[[], None]:
    """Makes a test of a coroutine that takes a fresh server."""

    def run() -> None:
        async def main() -> None:
            api = await start()
            try:
                await test(api)
            finally:
                await api.server.stop()

        asyncio.run(main())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
SERVICES = "/api/v1/namespaces/default/services"
PODS = "/api/v1/namespaces/default/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"


def config_map(name: str, labels: dict[str, str] | None = None, **data: str) -> Tree:
    return {"metadata": {"name": name, "labels": labels or {}}, "data": data}


def service(name: str, **spec: Any) -> Tree:
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], "selector": {"app": name}} | spec}


def pod(name: str, **spec: Any) -> Tree:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "web", "image": "nginx"}]} | spec}


def deployment(name: str, replicas: int = 3) -> Tree:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "nginx"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"metadata": {"name": name}, "spec": spec}
