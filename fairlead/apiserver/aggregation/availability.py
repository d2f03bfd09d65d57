"""Checks that the servers of APIServices answer, and writes the condition Available.

As upstream: the Service must exist, serve the port and have an endpoint; then the server must answer a request for its
own discovery document. A check runs after each change of the APIService, of a Service and of an EndpointSlice, and
every 30 s; it is repeated sooner while a server does not answer. What must stay true: a server that hangs delays the
checks of no other; without an APIService of another server nothing runs and nothing is watched.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import msgspec

from fairlead.api.apiregistration.apiservice import API_SERVICE
from fairlead.api.core.service.kind import SERVICE, Service
from fairlead.api.core.service.predicates import is_cluster_ip
from fairlead.api.discovery.endpointslice.kind import ENDPOINT_SLICE
from fairlead.apiserver.aggregation.registry import Aggregation, Remote
from fairlead.apiserver.model import User, internal
from fairlead.apiserver.registry.update import Candidate, Updater
from fairlead.apiserver.serialization.params import WriteOptions
from fairlead.apiserver.watchcache.cache import Entry, Event
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.apiserver.watchcache.target import Target
from fairlead.apiserver.webhook.model import CallError
from fairlead.base.clock import Clock
from fairlead.base.dataclass import dataclass, field
from fairlead.base.instant import render_time
from fairlead.base.log import Log
from fairlead.machinery.values.status import StatusError
from fairlead.service.endpoints import ready_addresses
from fairlead.service.wellknown import SERVICE_NAME_LABEL

if TYPE_CHECKING:
    import aiohttp

    from fairlead.api.apiregistration.apiservice.kind import APIService

CHECK_S = 30.0
_RETRY_S = 0.25
"""The pause after a server did not answer, doubled up to `CHECK_S`: it may have started a moment ago."""
_ANSWER_S = 5.0
_ATTEMPTS = 5
_MOST_BYTES = 8 << 20
_CHECKER = User("system:kube-aggregator", ("system:masters",))


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one check."""

    reason: str
    message: str
    available: bool = False
    resources: dict[str, Any] = field(default_factory=dict)
    openapi: str = ""


PASSED = "Passed"


class Availability:
    """Checks the servers of an `Aggregation`."""

    def __init__(
        self, aggregation: Aggregation, resources: Resources, updater: Updater, *, clock: Clock, log: Log
    ) -> None:
        self._aggregation = aggregation
        self._resources = resources
        self._updater = updater
        self._clock = clock
        self._log = log
        self._wake = asyncio.Event()
        self._session: aiohttp.ClientSession | None = None
        aggregation.on_change.append(self._wake.set)

    async def run(self) -> None:
        """Checks at each change and at intervals. Runs until cancelled."""
        retry_s = _RETRY_S
        try:
            while True:
                if not self._aggregation:
                    self._listen(False)
                    await self._wake.wait()
                self._wake.clear()
                self._listen(True)
                good = await asyncio.gather(*(self._check(remote) for remote in self._aggregation))
                pause_s, retry_s = (CHECK_S, _RETRY_S) if all(good) else (retry_s, min(2 * retry_s, CHECK_S))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause_s):
                        await self._wake.wait()
                        retry_s = _RETRY_S
        finally:
            self._listen(False)
            if self._session is not None:
                await self._session.close()
                self._session = None

    def _listen(self, on: bool) -> None:
        for kind in (SERVICE, ENDPOINT_SLICE):
            listeners = self._resources.of(kind).cache.listeners
            if on:
                listeners[self] = self._on_event
            else:
                listeners.pop(self, None)

    def _on_event(self, event: Event) -> None:
        places = {(remote.service.namespace, remote.service.name) for remote in self._aggregation}
        name = event.entry.labels.get(SERVICE_NAME_LABEL, "") or event.entry.name
        if (event.entry.namespace, name) in places:
            self._wake.set()

    async def _check(self, remote: Remote) -> bool:
        """Checks a server and writes the condition; returns whether the check need not be repeated soon."""
        result = await self.check(remote)
        if result.available:
            changed = (remote.resources, remote.openapi) != (result.resources, result.openapi)
            remote.resources, remote.openapi = result.resources, result.openapi
            if changed:
                for listener in self._aggregation.on_change:
                    if listener != self._wake.set:
                        listener()
        try:
            await self._write(remote, result)
        except StatusError as error:
            self._log.error("cannot write the condition of an APIService", name=remote.name, error=str(error))
        return result.reason != "FailedDiscoveryCheck"

    async def check(self, remote: Remote) -> Result:
        """Returns the result of a check of the Service and of its server."""
        refused = self._service_problem(remote)
        if refused is not None:
            return refused
        results = await asyncio.gather(*(self._ask(remote) for _ in range(_ATTEMPTS)))
        return next((result for result in results if result.available), results[-1])

    def _service_problem(self, remote: Remote) -> Result | None:
        at = remote.service
        entry = self._resources.of(SERVICE).cache.get(f"{at.namespace}/{at.name}")
        if entry is None:
            return Result("ServiceNotFound", f'service/{at.name} in "{at.namespace}" is not present')
        service: Service = entry.decode()
        if not is_cluster_ip(service.spec):
            return None
        port = next((port for port in service.spec.ports if port.port == at.port), None)
        if port is None:
            return Result(
                "ServicePortError", f'service/{at.name} in "{at.namespace}" is not listening on port {at.port}'
            )
        slices = [
            entry.decode()
            for entry in self._resources.of(ENDPOINT_SLICE).cache.select(at.namespace)
            if entry.labels.get(SERVICE_NAME_LABEL) == at.name
        ]
        if not slices:
            text = f'cannot find endpointslices for service/{at.name} in "{at.namespace}"'
            return Result("EndpointsNotFound", text)
        if not any(True for _ in ready_addresses(port.name, slices)):
            return Result(
                "MissingEndpoints",
                f'endpointslices for service/{at.name} in "{at.namespace}" have no addresses '
                f'with port name "{port.name}"',
            )
        return None

    async def _ask(self, remote: Remote) -> Result:
        """Returns whether an endpoint answers for the group and version."""
        path = f"/apis/{remote.group}/{remote.version}"
        try:
            async with asyncio.timeout(_ANSWER_S):
                status, body = await self._get(remote, path)
                index = (await self._get(remote, "/openapi/v3"))[1] if status == 200 else b""
        except (CallError, OSError, TimeoutError, ValueError) as e:
            where = f"https://{remote.service.server_name}:{remote.service.port}{path}"
            why = str(e) or "context deadline exceeded"
            return Result("FailedDiscoveryCheck", f"failing or missing response from {where}: {why}")
        if not 200 <= status < 300:
            where = f"https://{remote.service.server_name}:{remote.service.port}{path}"
            text = f"failing or missing response from {where}: bad status from {where}: {status}"
            return Result("FailedDiscoveryCheck", text)
        return Result(PASSED, "all checks passed", True, _tree(body), _document(_tree(index), remote))

    async def _get(self, remote: Remote, path: str) -> tuple[int, bytes]:
        import aiohttp  # imported on demand: not needed to become ready

        to = self._aggregation.forward(remote, _CHECKER)
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, force_close=True)
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
            )
        try:
            async with self._session.get(
                f"https://{to.authority}{path}",
                headers=[*to.headers, ("Accept", "application/json")],
                ssl=to.tls or True,
                server_hostname=to.server_name,
                allow_redirects=False,
            ) as answer:
                body = await answer.content.read(_MOST_BYTES) if answer.status == 200 else b""
                return answer.status, body
        except aiohttp.ClientError as e:
            raise CallError(str(e) or type(e).__name__) from e

    async def _write(self, remote: Remote, result: Result) -> None:
        resource = self._resources.of(API_SERVICE)
        entry = resource.cache.get(remote.name)
        if entry is None or _has(entry.decode(), result):
            return

        async def change(entry: Entry) -> Candidate:
            obj: APIService = entry.decode()
            _set(obj, result, render_time(self._clock.now()))
            return Candidate(obj)

        with contextlib.suppress(StatusError):  # deleted meanwhile
            await self._updater.update(Target(resource, "", remote.name, "status"), change, WriteOptions(), internal())


def _status(result: Result) -> str:
    return "True" if result.available else "False"


def _has(obj: APIService, result: Result) -> bool:
    return any(
        (c.type, c.status, c.reason, c.message) == ("Available", _status(result), result.reason, result.message)
        for c in obj.status.conditions
    )


def _set(obj: APIService, result: Result, now: str) -> None:
    from fairlead.api.apiregistration.apiservice.kind import APIServiceCondition, available

    known = available(obj)
    same = known is not None and known.status == _status(result)
    condition = APIServiceCondition(
        type="Available",
        status=_status(result),
        lastTransitionTime=known.lastTransitionTime if same and known is not None else now,
        reason=result.reason,
        message=result.message,
    )
    obj.status.conditions = [*(c for c in obj.status.conditions if c.type != "Available"), condition]


def _tree(body: bytes) -> dict[str, Any]:
    try:
        tree = msgspec.json.decode(body) if body else {}
    except msgspec.DecodeError:
        return {}
    return tree if isinstance(tree, dict) else {}


def _document(index: dict[str, Any], remote: Remote) -> str:
    """Returns the address of the server's OpenAPI document, or ""."""
    entry = (index.get("paths") or {}).get(f"apis/{remote.api_version}") or {}
    address = entry.get("serverRelativeURL")
    return address if isinstance(address, str) else ""
