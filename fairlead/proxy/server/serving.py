"""Serves a node's proxies: answers to probes, load balancers and Prometheus, events, and the node's zone.

A port in use never ends the proxy. The proxy tries the port again at every periodic check. If the port is for the
health check of a Service, an event on the Service reports it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
from collections.abc import Callable, Iterable, Sequence

from aiohttp import web

from fairlead import __version__
from fairlead.api.core.node.kind import NODE, Node
from fairlead.api.core.service.kind import Service
from fairlead.api.meta.reference import ObjectReference
from fairlead.base.clock import Clock
from fairlead.base.dataclass import dataclass, replace
from fairlead.base.instant import Instant
from fairlead.base.keys import key_of
from fairlead.base.log import Log
from fairlead.base.metrics import counter, render
from fairlead.base.process import build_info, process_families
from fairlead.base.tasks import run_all
from fairlead.net.errors import KernelError
from fairlead.proxy.server.health import (
    NOT_FOUND,
    Page,
    ProxyHealth,
    ServiceCheck,
    healthz_page,
    is_eligible,
    livez_page,
    service_check,
    service_page,
)
from fairlead.proxy.settings.config import ProxyConfig
from fairlead.proxy.settings.configfile import HEALTHZ, METRICS
from fairlead.proxy.settings.following import ConfigFollower
from fairlead.proxy.sync.loop import Proxy
from fairlead.proxy.sync.setup import Setup
from fairlead.runtime.client import Client
from fairlead.runtime.events import Recorder
from fairlead.runtime.informer import InformerSet
from fairlead.runtime.serving import HttpServer
from fairlead.service.wellknown import ZONE_LABEL

_RETRY_S = 5.0
_STOP_S = 1.0
_EVERY, _EVERY6 = "0.0.0.0", "::"
_TEXT_FORMAT = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
_Answer = Callable[[str], Page]


@dataclass(frozen=True, slots=True)
class Bindings:
    """Upstream's addresses and ports. None: not served."""

    healthz: tuple[str, int] | None = HEALTHZ
    metrics: tuple[str, int] | None = METRICS
    checks: str = _EVERY
    """The address for the health checks of Services."""


def bindings_of(config: ProxyConfig) -> Bindings:
    return Bindings(config.healthz, config.metrics)


async def serve(informers: InformerSet, server: ProxyServer) -> None:
    """Runs until cancelled. Also runs the informers, which the server and its proxies must follow before."""

    async def work(proxy: Proxy) -> None:
        await informers.wait_synced()
        await proxy.run()

    await run_all(informers.run(), server.run(), *(work(proxy) for proxy in server.proxies))


def follow_zone(proxies: Iterable[Proxy], node: Node | None) -> None:
    """Sets the zone from the Node object, if all else about the node is known."""
    zone = node.metadata.labels.get(ZONE_LABEL, "") if node is not None else ""
    for proxy in proxies:
        proxy.move(replace(proxy.node, zone=zone))


def follow_config(informers: InformerSet, server: ProxyServer, *, default: ProxyConfig, log: Log) -> None:
    """Applies the cluster's settings to the server. Call this before the informers run."""
    ConfigFollower(server.configure, default=default, recorder=server.recorder, log=log).follow(informers)


class ProxyServer:
    """The shared service of a node's proxies: one proxy for each address family of the node."""

    def __init__(
        self,
        proxies: Sequence[Proxy],
        *,
        client: Client,
        clock: Clock,
        log: Log,
        bindings: Bindings,
        moved: Callable[[Node | None], object],
    ) -> None:
        """Connects the proxies. `moved` is called with the Node object whenever it changes."""
        self.proxies = proxies
        self._clock = clock
        self._log = log
        self._bindings = bindings
        self._moved = moved
        self._rebound: list[asyncio.Event] = []
        """Each is set if an address to serve at changes."""
        self._node: Node | None = None
        self._name = proxies[0].node.name
        self.recorder = Recorder(client, component="kube-proxy", clock=clock, host=self._name, log=log)
        self._started = clock.now()
        self._asked: dict[tuple[str, int], int] = {}
        self._dirty: set[str] = set()
        self._wake = asyncio.Event()
        self._checks: dict[str, ServiceCheck] = {}
        self._listening: dict[str, tuple[int, HttpServer]] = {}

    def follow(self, informers: InformerSet) -> None:
        """Registers the handlers. Call this before the informers run."""
        for proxy in self.proxies:
            proxy.follow(informers)
            proxy.on_repair.append(self._repaired)
            proxy.active.on_refused.append(self._settings_refused)
            proxy.on_planned.append(self._planned)
        nodes = informers.cached(NODE) or informers.of(NODE, fields=f"metadata.name={self._name}")
        nodes.add_handler(self._node_changed)

    def configure(self, config: ProxyConfig) -> None:
        """Applies new settings to all proxies."""
        for proxy in self.proxies:
            proxy.configure(config)
        bindings = replace(self._bindings, healthz=config.healthz, metrics=config.metrics)
        if bindings != self._bindings:
            self._bindings = bindings
            for event in self._rebound:
                event.set()

    async def run(self) -> None:
        """Runs until cancelled."""
        await run_all(
            self.recorder.run(),
            self._keep_checks(),
            self._settle(),
            self._keep_listening(lambda: self._bindings.healthz, self.probe_page),
            self._keep_listening(lambda: self._bindings.metrics, self.metrics_page),
        )

    async def applied(self, revision: int, within_s: float) -> int:
        """Waits until the rules of all families follow a revision of EndpointSlices, for at most `within_s`.
        Returns the revision that they follow."""
        return min(await asyncio.gather(*(proxy.applied.reach(revision, within_s) for proxy in self.proxies)))

    def health(self) -> ProxyHealth:
        waiting = [since for proxy in self.proxies if (since := proxy.metrics.waiting_since) is not None]
        return ProxyHealth(
            synced=all(proxy.synced.is_set() for proxy in self.proxies),
            waiting_since=Instant(min(waiting)) if waiting else None,
            last_synced=Instant(min(proxy.metrics.last_synced for proxy in self.proxies)),
            eligible=is_eligible(self._node),
        )

    def probe_page(self, path: str) -> Page:
        pages = {"/healthz": healthz_page, "/livez": livez_page}
        if path not in pages:
            return NOT_FOUND
        page = pages[path](self.health(), self._clock.now())
        self._asked[path, page.code] = self._asked.get((path, page.code), 0) + 1
        return page

    def metrics_page(self, path: str) -> Page:
        if path in ("/healthz", "/livez"):
            return Page(200, "ok")
        if path == "/proxyMode":
            return Page(200, self.proxies[0].mode)
        if path == "/metrics":
            return Page(200, self.metrics(), dict(_TEXT_FORMAT))
        return NOT_FOUND

    def check_page(self, key: str) -> Page:
        check = self._checks.get(key)
        return NOT_FOUND if check is None else service_page(check, healthy=self.health().healthy(self._clock.now()))

    def metrics(self) -> str:
        families = [family for proxy in self.proxies for family in proxy.families()]
        for path, code in sorted(self._asked):
            labels = (("code", str(code)),)
            name = f"kubeproxy_proxy_{path[1:]}_total"
            families.append(counter(name, "Requests answered.", self._asked[path, code], labels))
        return render([*families, build_info(f"v{__version__}"), *process_families()])

    def _node_changed(self, key: str, _: Node | None, new: Node | None) -> None:
        if key == self._name:
            self._node = new
            self._moved(new)

    def _repaired(self, count: int) -> None:
        text = f"Another program changed the proxy's rules on this node: {count} rules or elements were repaired"
        self.recorder.event(self._about_node(), "Warning", "ProxyRulesRepaired", text)

    def _settings_refused(self, setup: Setup, error: KernelError) -> None:
        mode = self.proxies[0].mode
        text = f"mode {setup.mode} is not available on this node, mode {mode} stays active: {error}"
        self.recorder.event(self._about_node(), "Warning", "ProxyModeUnavailable", text)

    def _about_node(self) -> Node | ObjectReference:
        return self._node or ObjectReference(kind="Node", apiVersion="v1", name=self._name, uid=self._name)

    def _planned(self, keys: Iterable[str]) -> None:
        self._dirty.update(keys)
        self._wake.set()

    async def _settle(self) -> None:
        """Freezes the caches' first content, so that the garbage collector does not walk it with every later
        change."""
        for proxy in self.proxies:
            await proxy.synced.wait()
        gc.freeze()

    async def _keep_checks(self) -> None:
        """Serves the Services' health checks, each at a separate port."""
        again: set[str] = set()
        try:
            while True:
                try:
                    async with asyncio.timeout(_RETRY_S if again else None):
                        await self._wake.wait()
                except TimeoutError:
                    pass
                self._wake.clear()
                keys, self._dirty = self._dirty | again, set()
                again = {key for key in sorted(keys) if not await self._check(key)}
        finally:
            for _, runner in self._listening.values():
                await runner.stop(_STOP_S)

    async def _check(self, key: str) -> bool:
        """Returns whether the Service's check is served as desired."""
        service = self.proxies[0].view.service(key)
        all_checks = [service_check(service, proxy.view.slices(key), node=proxy.node) for proxy in self.proxies]
        checks = [check for check in all_checks if check is not None]
        check = replace(checks[0], endpoints=max(c.endpoints for c in checks)) if checks else None
        port, runner = self._listening.get(key, (0, None))
        if runner is not None and (check is None or check.port != port):
            del self._listening[key]
            await runner.stop(_STOP_S)
        if check is None:
            self._checks.pop(key, None)
            return True
        self._checks[key] = check
        if key in self._listening:
            return True
        try:
            hosts = self._hosts(self._bindings.checks)
            opened = await _listen(hosts, check.port, lambda _: self.check_page(key))
        except OSError as error:
            self._refused(service, check, error)
            return False
        self._listening[key] = (check.port, opened)
        return True

    def _refused(self, service: Service | None, check: ServiceCheck, error: OSError) -> None:
        name = key_of(check)
        text = f'node {self._name} failed to start healthcheck "{name}" on port {check.port}: {error.strerror}'
        self._log.warn(text)
        if service is not None:
            self.recorder.event(service, "Warning", "FailedToStartServiceHealthcheck", text)

    def _hosts(self, address: str) -> tuple[str, ...]:
        """Returns the addresses to listen at: "every address" means those of the node's families."""
        if address != _EVERY:
            return (address,)
        every = {"IPv4": _EVERY, "IPv6": _EVERY6}
        return tuple(every[proxy.node.family.name] for proxy in self.proxies)

    async def _keep_listening(self, where: Callable[[], tuple[str, int] | None], answer: _Answer) -> None:
        told = False
        rebound = asyncio.Event()
        self._rebound.append(rebound)
        while True:
            rebound.clear()
            at = where()
            if at is None:
                await rebound.wait()
                continue
            try:
                runner = await _listen(self._hosts(at[0]), at[1], answer)
            except OSError as error:
                if not told:
                    self._log.warn("cannot listen: trying again", port=at[1], error=error.strerror)
                told = True
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(rebound.wait(), _RETRY_S)
                continue
            told = False
            try:
                await rebound.wait()
            finally:
                await runner.stop(_STOP_S)


async def _listen(hosts: Sequence[str], port: int, answer: _Answer) -> HttpServer:
    async def handle(request: web.BaseRequest) -> web.Response:
        page = answer(request.path)
        return web.Response(status=page.code, body=page.body.encode(), headers=page.headers)

    with contextlib.ExitStack() as opened:
        socks = [opened.enter_context(_bound(host, port)) for host in hosts]
        opened.pop_all()
    server = HttpServer(web.Server(handle))
    await server.start(socks)
    return server


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)
