"""Builds the answers to health checks: of load balancers about a Service, and of probes about the node. Pure.

Codes, headers and bodies are upstream's to the byte, except for times."""

from __future__ import annotations

import json
from collections.abc import Iterable

from fairlead.api.core.node.kind import Node
from fairlead.api.core.service.kind import Service
from fairlead.api.core.service.predicates import needs_health_port
from fairlead.api.discovery.endpointslice.kind import EndpointSlice
from fairlead.base.dataclass import dataclass, field
from fairlead.base.instant import Instant, render_micro_time
from fairlead.service.endpoints import count_local_ready
from fairlead.service.node import NodeView
from fairlead.service.wellknown import LEAVING_TAINT

HEALTHY_FOR_S = 60.0
"""Maximum wait of a change for the kernel: twice upstream's sync period."""
_JSON = {"Content-Type": "application/json", "X-Content-Type-Options": "nosniff"}
_TEXT = {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True, slots=True)
class Page:
    code: int
    body: str
    headers: dict[str, str] = field(default_factory=lambda: dict(_TEXT))


@dataclass(frozen=True, slots=True)
class ServiceCheck:
    """A port at which load balancers ask whether this node has endpoints of the Service."""

    namespace: str
    name: str
    port: int
    endpoints: int


@dataclass(frozen=True, slots=True)
class ProxyHealth:
    """The health of a proxy at one moment."""

    synced: bool
    waiting_since: Instant | None
    """Arrival of the oldest change that is not in the kernel yet."""
    last_synced: Instant
    eligible: bool = True
    """Load balancers may send new connections to the node."""

    def healthy(self, now: Instant) -> bool:
        if not self.synced:
            return False
        return self.waiting_since is None or now - self.waiting_since < HEALTHY_FOR_S


def service_check(service: Service | None, slices: Iterable[EndpointSlice], *, node: NodeView) -> ServiceCheck | None:
    """Returns the Service's health check; None if it needs none: only the Local policy makes nodes differ."""
    if service is None or not needs_health_port(service.spec):
        return None
    port = service.spec.healthCheckNodePort
    if not port:
        return None
    return ServiceCheck(service.metadata.namespace, service.metadata.name, port, count_local_ready(slices, node=node))


def is_eligible(node: Node | None) -> bool:
    if node is None:
        return True
    return not node.metadata.deletionTimestamp and all(taint.key != LEAVING_TAINT for taint in node.spec.taints)


def service_page(check: ServiceCheck, *, healthy: bool) -> Page:
    lines = (
        "{",
        '\t"service": {',
        f'\t\t"namespace": {json.dumps(check.namespace)},',
        f'\t\t"name": {json.dumps(check.name)}',
        "\t},",
        f'\t"localEndpoints": {check.endpoints},',
        f'\t"serviceProxyHealthy": {json.dumps(healthy)}',
        "}",
    )
    headers = _JSON | {"X-Load-Balancing-Endpoint-Weight": str(check.endpoints)}
    return Page(200 if healthy and check.endpoints else 503, "\n".join(lines), headers)


def healthz_page(health: ProxyHealth, now: Instant) -> Page:
    """Returns the page for load balancers of Services that all nodes serve alike: unhealthy also if the node will
    go."""
    good = health.healthy(now) and health.eligible
    return Page(200 if good else 503, f"{_times(health, now, good)}, {_said('nodeEligible', health.eligible)}}}", _JSON)


def livez_page(health: ProxyHealth, now: Instant) -> Page:
    good = health.healthy(now)
    return Page(200 if good else 503, f"{_times(health, now, good)}}}", _JSON)


def _times(health: ProxyHealth, now: Instant, good: bool) -> str:
    last = render_micro_time(now if good else health.last_synced)
    return f"{{{_said('lastUpdated', last)},{_said('currentTime', render_micro_time(now))}"


def _said(key: str, value: object) -> str:
    return f'"{key}": {json.dumps(value)}'


NOT_FOUND = Page(404, "404 page not found\n")
