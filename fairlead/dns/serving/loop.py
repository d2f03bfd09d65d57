"""Keeps the zone up to date: watches Services, EndpointSlices, namespaces, the settings, and pods if they are
verified."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import msgspec

from fairlead.base.clock import Clock
from fairlead.base.instant import parse_time, render_time
from fairlead.base.log import Log
from fairlead.base.tasks import Nursery, stop
from fairlead.dns.config import BadConfig, Config, parse_config
from fairlead.dns.forwarding.cache import Cache
from fairlead.dns.metrics import Metrics
from fairlead.dns.serving.batch import give_back_memory
from fairlead.dns.serving.resolver import Resolver
from fairlead.dns.serving.watching import post, reflect
from fairlead.dns.zones.records import Meta, Namespace, Pod, Service, Slice, reduce_service, reduce_slice
from fairlead.machinery.values.status import StatusError
from fairlead.runtime.reflector import Reflector
from fairlead.runtime.transport import Transport
from fairlead.service.wellknown import TRIGGER_TIME_ANNOTATION

NAMESPACE, CONFIG_NAME = "kube-system", "fairlead-dns"
_CONFIG_PATH = f"/api/v1/namespaces/{NAMESPACE}/configmaps"


class ConfigMap(msgspec.Struct, gc=False):
    metadata: Meta = msgspec.field(default_factory=Meta)
    data: dict[str, str] | None = None


class ClusterView:
    """Watches that feed the zone. `ready` is True once everything has been listed."""

    def __init__(
        self, api: Transport, resolver: Resolver, *, metrics: Metrics, clock: Clock, log: Log, name: str
    ) -> None:
        """`name`: the name of this pod, written as the source of events."""
        self._api = api
        self._resolver = resolver
        self._zone = resolver.zone
        self._metrics = metrics
        self._clock = clock
        self._log = log
        self._name = name
        self._triggers: list[tuple[str, str]] = []
        self._pods_of: dict[str, tuple[tuple[str, str], ...]] = {}
        self._pods_task: asyncio.Task[None] | None = None
        self._nursery: Nursery | None = None
        self._events = 0
        self.ready = False

    async def run(self) -> None:
        """Runs until cancelled."""
        config: Reflector[ConfigMap] = self._follow(
            _CONFIG_PATH, ConfigMap, self._on_config, fields=f"metadata.name={CONFIG_NAME}"
        )
        followers = (
            config,
            self._follow("/api/v1/namespaces", Namespace, self._on_namespace),
            self._follow("/api/v1/services", Service, self._on_service),
            self._follow("/apis/discovery.k8s.io/v1/endpointslices", Slice, self._on_slice),
        )
        async with Nursery() as nursery:
            self._nursery = nursery
            for follower in followers:
                nursery.spawn(follower.run())
            for follower in followers:
                await follower.synced.wait()
            self.ready = self._resolver.ready = True
            gc.collect()
            give_back_memory()
            self._log.info("ready", services=len(self._zone))
            await asyncio.Future()

    def _follow(
        self, path: str, kind: type[Any], handler: Callable[[str, Any], object], *, fields: str = ""
    ) -> Reflector[Any]:
        return reflect(self._api, path, kind, on_object=handler, flush=self._flush, log=self._log, fields=fields)

    def _flush(self) -> None:
        self._zone.flush(int(self._clock.now()))
        triggers, self._triggers = self._triggers, []
        for service, at in triggers:
            packed = self._zone.service(service)
            if packed is not None and packed.headless:
                self._metrics.programmed("headless_with_selector", max(0.0, self._clock.now() - parse_time(at)))

    def _on_namespace(self, key: str, namespace: Namespace | None) -> None:
        self._zone.put_namespace(key, exists=namespace is not None)

    def _on_service(self, key: str, obj: Service | None) -> None:
        self._zone.put_service(key, None if obj is None else reduce_service(obj))

    def _on_slice(self, key: str, obj: Slice | None) -> None:
        reduced = None if obj is None else reduce_slice(obj)
        self._zone.put_slice(key, reduced)
        if self.ready and obj is not None and reduced is not None:
            at = obj.metadata.annotations.get(TRIGGER_TIME_ANNOTATION, "")
            if at:
                self._triggers.append((reduced.service, at))

    def _on_pod(self, key: str, pod: Pod | None) -> None:
        for ip, namespace in self._pods_of.pop(key, ()):
            self._zone.put_pod(ip, namespace, exists=False)
        if pod is not None and pod.status.podIP and pod.status.phase in ("Pending", "Running"):
            ips = [entry.ip for entry in pod.status.podIPs] or [pod.status.podIP]
            at = self._pods_of[key] = tuple((ip, pod.metadata.namespace) for ip in ips)
            for ip, namespace in at:
                self._zone.put_pod(ip, namespace, exists=True)

    def _on_config(self, _: str, config_map: ConfigMap | None) -> None:
        try:
            config = parse_config(config_map.data or {} if config_map is not None else {})
        except BadConfig as error:
            self._metrics.failed_reloads += 1
            self._log.error("invalid settings; the previous settings stay in force", error=str(error))
            self._spawn(self._record_event(str(error)))
            return
        self.use(config)

    def use(self, config: Config) -> None:
        """Applies new settings."""
        if config == self._zone.config:
            return
        self._log.info("settings", domain=config.domain, upstreams=" ".join(config.upstreams) or "none")
        old = self._zone.config
        self._zone.configure(config)
        self._metrics.zone = config.domain + "."
        self._metrics.hosts = sum(map(len, config.hosts.values()))
        self._resolver.cache = Cache(
            size=config.cache_size, ttl_s=config.cache_ttl_s, negative_ttl_s=config.negative_ttl_s
        )
        if (config.pods == "verified") != (old.pods == "verified"):
            self._spawn(self._watch_pods(config.pods == "verified"))

    def _spawn(self, work: Any) -> None:
        assert self._nursery is not None, "settings only come while running"
        self._nursery.spawn(work)

    async def _watch_pods(self, enabled: bool) -> None:
        task, self._pods_task = self._pods_task, None
        if task is not None:
            await stop(task)
        for key in list(self._pods_of):
            self._on_pod(key, None)
        if enabled and self._nursery is not None:
            self._pods_task = self._nursery.spawn(self._follow("/api/v1/pods", Pod, self._on_pod).run())

    async def _record_event(self, text: str) -> None:
        """Records an event about a ConfigMap with invalid settings."""
        now = render_time(self._clock.now())
        self._events += 1
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{CONFIG_NAME}-", "namespace": NAMESPACE},
            "involvedObject": {"apiVersion": "v1", "kind": "ConfigMap", "namespace": NAMESPACE, "name": CONFIG_NAME},
            "type": "Warning",
            "reason": "InvalidConfiguration",
            "message": f"{text}; the previous settings stay in force",
            "source": {"component": "fairlead-dns", "host": self._name},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            await post(self._api, f"/api/v1/namespaces/{NAMESPACE}/events", event)
        except (OSError, StatusError) as error:
            self._log.warn("could not write an event", error=str(error))
