"""The part of the node's API that shows the node itself: its Pods, settings and metrics, as kubelets show them."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

from aiohttp import web

from fairlead.api.core.pod.kind import POD, Pod
from fairlead.base.instant import render_time
from fairlead.base.metrics import Family, Sample, counter, gauge, render
from fairlead.machinery.kinds.decode import encode
from fairlead.node.nodestatus.machine import read_signals
from fairlead.node.nodestatus.monitor import NodeMonitor
from fairlead.node.probes.counts import ProbeCounts
from fairlead.node.settings import NodeSettings
from fairlead.node.streaming.target import NodePods
from fairlead.node.usage.meter import Meter
from fairlead.node.usage.model import PROMETHEUS, NodeUsage, cadvisor, metrics, summary

_PORTS = {"healthzPort": 10248, "readOnlyPort": 0}


class NodeInfo:
    """Answers at `/pods`, `/configz`, `/stats/summary` and below `/metrics`."""

    def __init__(
        self, settings: NodeSettings, pods: NodePods, *, meter: Meter, monitor: NodeMonitor, probes: ProbeCounts
    ) -> None:
        self._settings = settings
        self._pods = pods
        self._meter = meter
        self._monitor = monitor
        self._probes = probes

    def add_routes(self, router: web.UrlDispatcher) -> None:
        for path in ("/pods", "/pods/", "/runningpods/"):
            router.add_get(path, self._list_pods)
        router.add_get("/configz", self._config)
        router.add_get("/stats/summary", self._summary)
        router.add_get("/metrics", self._metrics)
        router.add_get("/metrics/resource", self._resources)
        router.add_get("/metrics/cadvisor", self._cadvisor)
        router.add_get("/metrics/probes", self._probe_metrics)

    async def _list_pods(self, request: web.Request) -> web.Response:
        pods = self._pods.pods()
        if request.path.startswith("/runningpods"):
            pods = [pod for pod in pods if pod.status.phase == "Running"]
        head = {"kind": POD.list_kind, "apiVersion": POD.api_version, "metadata": {}}
        return web.Response(body=encode(head | {"items": pods}), content_type="application/json")

    async def _config(self, _: web.Request) -> web.Response:
        settings, config = self._settings, self._monitor.config
        tree: dict[str, Any] = {name: getattr(config, name) for name in config.__slots__}
        tree |= {
            "kind": "KubeletConfiguration",
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "address": settings.ip,
            "port": settings.kubelet_port,
            "clusterDNS": [settings.cluster_dns] if settings.cluster_dns else [],
            "clusterDomain": settings.cluster_domain,
            "maxPods": 110,
            "streamingConnectionIdleTimeout": f"{settings.streaming_idle_s:g}s",
            **_PORTS,
        }
        return web.Response(text=json.dumps({"kubeletconfig": tree}), content_type="application/json")

    async def _summary(self, _: web.Request) -> web.Response:
        found = await self._meter.measure()
        tree = summary(found)
        tree["node"] |= await asyncio.to_thread(_machine, self._settings, found)
        return web.json_response(tree)

    async def _resources(self, _: web.Request) -> web.Response:
        return _text(metrics(await self._meter.measure()))

    async def _cadvisor(self, _: web.Request) -> web.Response:
        signals = await asyncio.to_thread(read_signals, self._settings.state_dir)
        memory = int(signals.capacity["memory.available"])
        return _text(cadvisor(await self._meter.measure(), cores=os.cpu_count() or 1, memory_bytes=memory))

    async def _probe_metrics(self, _: web.Request) -> web.Response:
        return _text(render(self._probes.families()))

    async def _metrics(self, _: web.Request) -> web.Response:
        return _text(render(self._families()))

    def _families(self) -> Iterator[Family]:
        pods, node = self._pods.pods(), self._settings.name
        yield gauge("kubelet_node_name", "The node's name; the value is always 1.", 1, (("node", node),))
        running = sum(pod.status.phase == "Running" for pod in pods)
        yield gauge("kubelet_running_pods", "Number of Pods that run.", running)
        states = Counter(state for pod in pods for state in _states(pod))
        samples = [Sample(count, (("container_state", state),)) for state, count in sorted(states.items())]
        yield Family("kubelet_running_containers", "gauge", "Number of containers by their state.", samples)
        restarts = sum(status.restartCount for pod in pods for status in pod.status.containerStatuses)
        yield gauge("kubelet_restarted_containers", "Number of restarts of the present Pods' containers.", restarts)
        yield from _process()


def _states(pod: Pod) -> Iterator[str]:
    for status in (*pod.status.initContainerStatuses, *pod.status.containerStatuses):
        if status.state.running is not None:
            yield "running"
        elif status.state.terminated is not None:
            yield "exited"
        else:
            yield "created"


def _process() -> Iterator[Family]:
    """Yields what Prometheus's libraries show of each process."""
    times = os.times()
    with open("/proc/self/statm", encoding="ascii") as file:
        resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    open_files = len(os.listdir("/proc/self/fd"))
    yield counter("process_cpu_seconds_total", "Processor time of the agent in seconds.", times.user + times.system)
    yield gauge("process_resident_memory_bytes", "Resident memory of the agent in bytes.", resident)
    yield gauge("process_open_fds", "Number of open descriptors of the agent.", open_files)


def _machine(settings: NodeSettings, found: NodeUsage) -> dict[str, Any]:
    """Returns the disks of the node, and its process ids."""
    at, signals = render_time(found.time), read_signals(settings.state_dir)
    left, whole = signals.available, signals.capacity
    disk = {
        "time": at,
        "availableBytes": int(left["nodefs.available"]),
        "capacityBytes": int(whole["nodefs.available"]),
        "usedBytes": int(whole["nodefs.available"] - left["nodefs.available"]),
        "inodesFree": int(left["nodefs.inodesFree"]),
        "inodes": int(whole["nodefs.inodesFree"]),
    }
    tasks = int(whole["pid.available"] - left["pid.available"])
    return {
        "fs": disk,
        "runtime": {"imageFs": disk, "containerFs": disk},
        "rlimit": {"time": at, "maxpid": int(whole["pid.available"]), "curproc": tasks},
    }


def _text(text: str) -> web.Response:
    return web.Response(body=text.encode(), headers={"Content-Type": PROMETHEUS})
