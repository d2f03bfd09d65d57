"""Usage of nodes and pods, for `metrics.k8s.io`: asks the nodes twice and compares.

The first measurement of a node is kept for the next request; without one that is recent enough, the nodes are asked
again a second later. Nothing is measured if no client asks.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from fairlead.api.core.node.kind import NODE
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.meta.types import Object, ObjectMeta
from fairlead.api.metrics.nodemetrics import NODE_METRICS
from fairlead.api.metrics.podmetrics import POD_METRICS
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.base.dataclass import dataclass, field
from fairlead.base.duration import render_duration
from fairlead.base.instant import Instant, render_time
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.values.quantity import canonical
from fairlead.machinery.values.status import StatusError

if TYPE_CHECKING:
    from fairlead.api.metrics.nodemetrics.kind import NodeMetrics
    from fairlead.api.metrics.podmetrics.kind import PodMetrics

PATH = "/metrics/resource"
SHORTEST_S, KEPT_S, LONGEST_S = 1.0, 10.0, 120.0
"""The window is at least `SHORTEST_S`; a measurement is replaced as the first of two after `KEPT_S`, and not used any
more after `LONGEST_S`."""
_NODE = ("", "", "")
_LINE = re.compile(r"(\w+)(?:\{(.*)\})? (\S+) ([0-9]+)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')

Key = tuple[str, str, str]
"""Namespace, pod and container; all empty for the node."""


class NodeReader(Protocol):
    """The client of the nodes."""

    async def read(self, node: str, path: str) -> bytes:
        """Returns the body of a path of a node's API. Raises StatusError."""
        ...


@dataclass(slots=True)
class Counters:
    """The counters of a node or of a container."""

    cpu_s: float = 0.0
    memory_bytes: int = 0
    started_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Measurement:
    """The counters of a node at a time."""

    time: float
    counters: Mapping[Key, Counters]


@dataclass(frozen=True, slots=True)
class Usage:
    """Average usage over a window."""

    time: float
    window_s: float
    cpu: float
    """Cores."""
    memory_bytes: int

    def amounts(self) -> dict[str, str | int | float]:
        return {"cpu": canonical(f"{round(self.cpu * 1e9)}n"), "memory": f"{self.memory_bytes // 1024}Ki"}


_FIELDS = {
    "cpu_usage_seconds_total": "cpu_s",
    "memory_working_set_bytes": "memory_bytes",
    "start_time_seconds": "started_at",
}


def parse(text: str) -> Measurement:
    """Reads the metrics of a node."""
    counters: dict[Key, Counters] = {}
    time = 0.0
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is None:
            continue
        kind, _, name = match[1].partition("_")
        if name not in _FIELDS or kind not in ("node", "container"):
            continue
        labels = dict(_LABEL.findall(match[2] or ""))
        key = (labels.get("namespace", ""), labels.get("pod", ""), labels.get("container", ""))
        value = float(match[3])
        setattr(counters.setdefault(key, Counters()), _FIELDS[name], int(value) if "bytes" in name else value)
        time = int(match[4]) / 1000
    return Measurement(time, counters)


def compare(first: Measurement, second: Measurement) -> dict[Key, Usage]:
    """Returns the average usage between two measurements. A container that started meanwhile counts from its start."""
    found: dict[Key, Usage] = {}
    for key, now in second.counters.items():
        before = first.counters.get(key)
        if before is None or before.started_at != now.started_at:
            before, since = Counters(), now.started_at
        else:
            since = first.time
        window_s = second.time - since
        if window_s > 0:
            cpu = max(0.0, now.cpu_s - before.cpu_s) / window_s
            found[key] = Usage(second.time, window_s, cpu, now.memory_bytes)
    return found


@dataclass(slots=True)
class _Node:
    """The measurements of one node, and the last comparison."""

    first: Measurement | None = None
    usages: dict[Key, Usage] = field(default_factory=dict)


class NodeUsages:
    """Asks the nodes for their counters."""

    def __init__(self, resources: Resources, kubelet: NodeReader) -> None:
        self._resources = resources
        self._kubelet = kubelet
        self._nodes: dict[str, _Node] = {}
        self._busy = asyncio.Lock()

    async def usages(self) -> dict[str, dict[Key, Usage]]:
        """Returns the usages of all nodes that answer, by node."""
        async with self._busy:
            names = [entry.name for entry in self._resources.of(NODE).cache.select()]
            self._nodes = {name: self._nodes.get(name, _Node()) for name in names}
            early = await self._measure(names)
            if early:
                await asyncio.sleep(SHORTEST_S)
                await self._measure(early)
            return {name: node.usages for name, node in self._nodes.items() if node.usages}

    async def _measure(self, names: Iterable[str]) -> list[str]:
        """Measures nodes and compares. Returns those whose earlier measurement is missing, too old or too new."""
        found = await asyncio.gather(*(self._ask(name) for name in names))
        return [name for name, new in zip(names, found, strict=True) if not self._put(self._nodes[name], new)]

    def _put(self, node: _Node, new: Measurement | None) -> bool:
        if new is None:
            node.first, node.usages = None, {}
            return True
        first = node.first
        if first is None or not 0 < new.time - first.time < LONGEST_S:
            node.first, node.usages = new, {}
            return False
        if new.time - first.time >= SHORTEST_S * 0.9:
            node.usages = compare(first, new)
            if new.time - first.time >= KEPT_S:
                node.first = new
        return bool(node.usages)

    async def _ask(self, name: str) -> Measurement | None:
        """Returns the counters of a node; None if it does not answer."""
        try:
            return parse((await self._kubelet.read(name, PATH)).decode())
        except StatusError:
            return None


class NodeMetricsSource:
    """Computes NodeMetrics. Implements `Source`."""

    kind: Kind[Any] = NODE_METRICS

    def __init__(self, resources: Resources, usages: NodeUsages) -> None:
        self._nodes = resources.of(NODE).cache
        self._usages = usages

    async def objects(self, namespace: str, name: str) -> list[Any]:
        found = await self._usages.usages()
        nodes = ((entry, found.get(entry.name, {}).get(_NODE)) for entry in self._nodes.select())
        return [
            _node_metrics(entry.decode(), usage)
            for entry, usage in nodes
            if usage is not None and name in ("", entry.name)
        ]


class PodMetricsSource:
    """Computes PodMetrics. Implements `Source`."""

    kind: Kind[Any] = POD_METRICS

    def __init__(self, resources: Resources, usages: NodeUsages) -> None:
        self._pods = resources.of(POD).cache
        self._usages = usages

    async def objects(self, namespace: str, name: str) -> list[Any]:
        found = await self._usages.usages()
        return list(self._of_pods(found, namespace, name))

    def _of_pods(self, found: Mapping[str, Mapping[Key, Usage]], namespace: str, name: str) -> Iterator[PodMetrics]:
        for entry in self._pods.select(namespace):
            if name not in ("", entry.name):
                continue
            pod: Pod = entry.decode()
            usages = found.get(pod.spec.nodeName, {})
            containers = [c.name for c in (*pod.spec.initContainers, *pod.spec.containers)]
            meta = pod.metadata
            measured = {c: u for c in containers if (u := usages.get((meta.namespace, meta.name, c))) is not None}
            if measured:
                yield _pod_metrics(pod, measured)


def usage_sources(resources: Resources, kubelet: NodeReader) -> tuple[NodeMetricsSource, PodMetricsSource]:
    """Returns the sources of both kinds, which share their measurements."""
    usages = NodeUsages(resources, kubelet)
    return NodeMetricsSource(resources, usages), PodMetricsSource(resources, usages)


def _meta(obj: Object, usage: Usage) -> ObjectMeta:
    meta = obj.metadata
    return ObjectMeta(
        name=meta.name,
        namespace=meta.namespace,
        labels=meta.labels,
        creationTimestamp=render_time(Instant(usage.time)),
    )


def _window(usage: Usage) -> str:
    return render_duration(round(usage.window_s * 1000) * 1_000_000)


def _node_metrics(node: Object, usage: Usage) -> NodeMetrics:
    from fairlead.api.metrics.nodemetrics.kind import NodeMetrics

    return NodeMetrics(
        metadata=_meta(node, usage),
        timestamp=render_time(Instant(usage.time)),
        window=_window(usage),
        usage=usage.amounts(),
    )


def _pod_metrics(pod: Pod, usages: Mapping[str, Usage]) -> PodMetrics:
    from fairlead.api.metrics.podmetrics.kind import ContainerMetrics, PodMetrics

    longest = max(usages.values(), key=lambda usage: usage.window_s)
    return PodMetrics(
        metadata=_meta(pod, longest),
        timestamp=render_time(Instant(longest.time)),
        window=_window(longest),
        containers=[ContainerMetrics(name=name, usage=usage.amounts()) for name, usage in usages.items()],
    )
