"""Measured usage, and the two forms in which a kubelet shows it: the summary in JSON and metrics for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from fairlead.base.dataclass import dataclass
from fairlead.base.instant import Instant, render_time

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
_NANO = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Usage:
    """Processor time since the start in seconds, and memory in bytes."""

    cpu_s: float = 0.0
    memory_bytes: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.cpu_s + other.cpu_s, self.memory_bytes + other.memory_bytes)


@dataclass(frozen=True, slots=True)
class ContainerUsage:
    """Usage of a running container."""

    name: str
    started_at: Instant
    usage: Usage


@dataclass(frozen=True, slots=True)
class PodUsage:
    """Usage of the containers of a pod that runs."""

    namespace: str
    name: str
    uid: str
    containers: tuple[ContainerUsage, ...]

    @property
    def usage(self) -> Usage:
        return sum((container.usage for container in self.containers), Usage())


@dataclass(frozen=True, slots=True)
class NodeUsage:
    """Usage of a node at a time: its containers, and the processes of the node itself."""

    node: str
    time: Instant
    started_at: Instant
    own: Usage
    pods: tuple[PodUsage, ...]

    @property
    def usage(self) -> Usage:
        return sum((pod.usage for pod in self.pods), self.own)


def summary(found: NodeUsage) -> dict[str, Any]:
    """Returns the summary as a kubelet answers at `/stats/summary` (`stats/v1alpha1`), without figures of disks and
    networks."""
    return {
        "node": {"nodeName": found.node, "startTime": render_time(found.started_at)} | _stats(found.usage, found.time),
        "pods": [_pod(pod, found.time) for pod in found.pods],
    }


def _pod(pod: PodUsage, time: Instant) -> dict[str, Any]:
    first = min(container.started_at for container in pod.containers)
    return {
        "podRef": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid},
        "startTime": render_time(first),
        "containers": [
            {"name": one.name, "startTime": render_time(one.started_at)} | _stats(one.usage, time)
            for one in pod.containers
        ],
    } | _stats(pod.usage, time)


def _stats(usage: Usage, time: Instant) -> dict[str, Any]:
    at, memory = render_time(time), usage.memory_bytes
    return {
        "cpu": {"time": at, "usageCoreNanoSeconds": round(usage.cpu_s * _NANO)},
        "memory": {"time": at, "usageBytes": memory, "workingSetBytes": memory, "rssBytes": memory},
    }


_ERROR = "resource_scrape_error"
_HELP = {
    "node_cpu_usage_seconds_total": ("counter", "Processor time of the node in seconds since its start."),
    "node_memory_working_set_bytes": ("gauge", "Memory of the node in bytes."),
    "container_cpu_usage_seconds_total": ("counter", "Processor time of the container in seconds since its start."),
    "container_memory_working_set_bytes": ("gauge", "Memory of the container in bytes."),
    "container_start_time_seconds": ("gauge", "Start of the container in seconds since 1970."),
    "pod_cpu_usage_seconds_total": ("counter", "Processor time of the pod in seconds since its start."),
    "pod_memory_working_set_bytes": ("gauge", "Memory of the pod in bytes."),
    _ERROR: ("gauge", "1 if the figures could not be read, 0 otherwise."),
}


_CADVISOR_HELP = {
    "container_cpu_usage_seconds_total": ("counter", "Cumulative cpu time consumed in seconds."),
    "container_memory_rss": ("gauge", "Resident memory in bytes."),
    "container_memory_usage_bytes": ("gauge", "Current memory usage in bytes."),
    "container_memory_working_set_bytes": ("gauge", "Current working set in bytes."),
    "container_start_time_seconds": ("gauge", "Start time of the container since unix epoch in seconds."),
    "machine_cpu_cores": ("gauge", "Number of logical processors."),
    "machine_memory_bytes": ("gauge", "Amount of memory of the machine in bytes."),
}

_Samples = Iterator[tuple[str, dict[str, str], float]]


def metrics(found: NodeUsage) -> str:
    """Returns the metrics as a kubelet answers at `/metrics/resource`."""
    errors: list[tuple[str, dict[str, str], float]] = [(_ERROR, {}, 0)]
    return _render(found, _HELP, chain(_samples(found), errors))


def cadvisor(found: NodeUsage, *, cores: int, memory_bytes: int) -> str:
    """Returns the metrics as a kubelet answers at `/metrics/cadvisor`, those of processors and memory: containers by
    name, Pods with an empty container name, and the machine."""
    return _render(found, _CADVISOR_HELP, _cadvisor_samples(found, cores, memory_bytes))


def _render(found: NodeUsage, texts: Mapping[str, tuple[str, str]], samples: _Samples) -> str:
    lines: dict[str, list[str]] = {name: [] for name in texts}
    at_ms = round(found.time * 1000)
    for name, labels, value in samples:
        text = ",".join(f'{key}="{labels[key]}"' for key in sorted(labels))
        at = "" if name == _ERROR else f" {at_ms}"
        lines[name].append(f"{name}{f'{{{text}}}' if text else ''} {value}{at}")
    return "".join(
        f"# HELP {name} {texts[name][1]}\n# TYPE {name} {texts[name][0]}\n" + "".join(f"{line}\n" for line in given)
        for name, given in lines.items()
        if given
    )


def _cadvisor_samples(found: NodeUsage, cores: int, memory_bytes: int) -> _Samples:
    yield "machine_cpu_cores", {}, cores
    yield "machine_memory_bytes", {}, memory_bytes
    yield from _used({"container": "", "id": "/", "namespace": "", "pod": ""}, found.usage)
    for pod in found.pods:
        labels = {"namespace": pod.namespace, "pod": pod.name, "id": f"/kubepods/pod{pod.uid}"}
        yield from _used(labels | {"container": ""}, pod.usage)
        for one in pod.containers:
            named = labels | {"container": one.name, "id": f"{labels['id']}/{one.name}"}
            yield from _used(named, one.usage)
            yield "container_start_time_seconds", named, one.started_at


def _used(labels: dict[str, str], usage: Usage) -> _Samples:
    yield "container_cpu_usage_seconds_total", labels | {"cpu": "total"}, usage.cpu_s
    for name in ("container_memory_rss", "container_memory_usage_bytes", "container_memory_working_set_bytes"):
        yield name, labels, usage.memory_bytes


def _samples(found: NodeUsage) -> _Samples:
    yield "node_cpu_usage_seconds_total", {}, found.usage.cpu_s
    yield "node_memory_working_set_bytes", {}, found.usage.memory_bytes
    for pod in found.pods:
        labels = {"namespace": pod.namespace, "pod": pod.name}
        for container in pod.containers:
            named = labels | {"container": container.name}
            yield "container_cpu_usage_seconds_total", named, container.usage.cpu_s
            yield "container_memory_working_set_bytes", named, container.usage.memory_bytes
            yield "container_start_time_seconds", named, container.started_at
        yield "pod_cpu_usage_seconds_total", labels, pod.usage.cpu_s
        yield "pod_memory_working_set_bytes", labels, pod.usage.memory_bytes
