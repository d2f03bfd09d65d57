"""Reads the values of metrics from the APIs metrics.k8s.io, custom.metrics.k8s.io and external.metrics.k8s.io."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from fairlead.api.autoscaling.horizontalpodautoscaler.metrics import CrossVersionObjectReference, MetricSpec
from fairlead.api.meta.types import LabelSelector
from fairlead.base.duration import parse_duration
from fairlead.base.instant import Instant, parse_time
from fairlead.controllers.workloads.autoscaling.values import NotComputable, Observed, PodValue, PodValues
from fairlead.machinery.kinds.scheme import Scheme
from fairlead.machinery.values.quantity import milli
from fairlead.machinery.values.selectors import from_label_selector, render
from fairlead.machinery.values.status import StatusError
from fairlead.runtime.client import Client

_RESOURCES = "/apis/metrics.k8s.io/v1beta1"
_CUSTOM = "custom.metrics.k8s.io"
_EXTERNAL = "/apis/external.metrics.k8s.io/v1beta1"
_KNOWN = ("v1beta2", "v1beta1")
"""Versions of custom.metrics.k8s.io that this client reads."""
_WINDOW_S = 60.0
"""Window of a custom metric that does not say its own (upstream's number)."""


class MetricsReader:
    """Reads metrics of one cluster."""

    def __init__(self, client: Client, scheme: Scheme) -> None:
        self._client = client
        self._scheme = scheme

    async def read(self, metric: MetricSpec, namespace: str, selector: str) -> Observed | NotComputable:
        """Returns the values of the metric, for the pods that `selector` selects. Raises ConnectionError."""
        try:
            return await self._read(metric, namespace, selector)
        except NotComputable as error:
            return error

    async def _read(self, metric: MetricSpec, namespace: str, selector: str) -> Observed:
        if metric.resource is not None:
            return await self._resource(metric.resource.name, "", namespace, selector)
        if metric.containerResource is not None:
            one = metric.containerResource
            return await self._resource(one.name, one.container, namespace, selector)
        if metric.pods is not None:
            return await self._pods(metric.pods.metric.name, metric.pods.metric.selector, namespace, selector)
        if metric.object is not None:
            about, identity = metric.object.describedObject, metric.object.metric
            return await self._object(about, identity.name, identity.selector, namespace)
        if metric.external is not None:
            return await self._external(metric.external.metric.name, metric.external.metric.selector, namespace)
        raise NotComputable("the metric names no source")

    async def _resource(self, resource: str, container: str, namespace: str, selector: str) -> PodValues:
        path = f"{_RESOURCES}/namespaces/{namespace}/pods"
        items = await self._items(path, {"labelSelector": selector}, "resource")
        values = {}
        for item in items:
            containers = [c for c in item.get("containers", ()) if container in ("", c["name"])]
            uses = [c["usage"].get(resource) for c in containers]
            if uses and None not in uses:
                total = sum(milli(str(use)) for use in uses)
                window_s = parse_duration(item["window"]) / 1e9
                values[item["metadata"]["name"]] = PodValue(total, parse_time(item["timestamp"]), window_s)
        return values

    async def _pods(self, name: str, chosen: LabelSelector | None, namespace: str, selector: str) -> PodValues:
        path = f"{await self._custom()}/namespaces/{namespace}/pods/*/{name}"
        items = await self._items(path, {"labelSelector": selector} | _metric_selector(chosen), "custom")
        return {item["describedObject"]["name"]: _pod_value(item) for item in items}

    async def _object(
        self, about: CrossVersionObjectReference, name: str, chosen: LabelSelector | None, namespace: str
    ) -> tuple[int, ...]:
        group, _, version = about.apiVersion.rpartition("/")
        base = await self._custom()
        if about.kind == "Namespace" and not group:
            path = f"{base}/namespaces/{namespace}/metrics/{name}"
        else:
            kind = self._scheme.by_gvk(group, version, about.kind)
            if kind is None:
                text = f'no matches for kind "{about.kind}" in version "{about.apiVersion}"'
                raise NotComputable(f"unable to fetch metrics from custom metrics API: {text}")
            path = f"{base}/namespaces/{namespace}/{kind.resource}/{about.name}/{name}"
        items = await self._items(path, _metric_selector(chosen), "custom")
        return (milli(str(items[0]["value"])),)

    async def _external(self, name: str, chosen: LabelSelector | None, namespace: str) -> tuple[int, ...]:
        selector = {"labelSelector": render(from_label_selector(chosen))} if chosen is not None else {}
        items = await self._items(f"{_EXTERNAL}/namespaces/{namespace}/{name}", selector, "external")
        return tuple(milli(str(item["value"])) for item in items)

    async def _custom(self) -> str:
        """Returns the path of the version of the custom metrics API that its server prefers."""
        try:
            body = await self._client.raw("GET", f"/apis/{_CUSTOM}")
        except StatusError as error:
            text = f"no custom metrics API ({_CUSTOM}) registered" if error.code == 404 else error.message
            raise NotComputable(f"unable to fetch metrics from custom metrics API: {text}") from error
        group: dict[str, Any] = msgspec.json.decode(body)
        served = [group["preferredVersion"]["version"], *(v["version"] for v in group["versions"])]
        version = next((v for v in served if v in _KNOWN), _KNOWN[0])
        return f"/apis/{_CUSTOM}/{version}"

    async def _items(self, path: str, query: Mapping[str, str], api: str) -> list[dict[str, Any]]:
        try:
            body = await self._client.raw("GET", path, query=query)
        except StatusError as error:
            raise NotComputable(f"unable to fetch metrics from {api} metrics API: {error.message}") from error
        items: list[dict[str, Any]] = msgspec.json.decode(body).get("items") or []
        if not items:
            raise NotComputable(f"no metrics returned from {api} metrics API")
        return items


def _metric_selector(chosen: LabelSelector | None) -> dict[str, str]:
    return {"metricLabelSelector": render(from_label_selector(chosen))} if chosen is not None else {}


def _pod_value(item: Mapping[str, Any]) -> PodValue:
    window_s = item.get("windowSeconds")
    time = parse_time(item["timestamp"]) if item.get("timestamp") else Instant(0.0)
    return PodValue(milli(str(item["value"])), time, _WINDOW_S if window_s is None else float(window_s))
