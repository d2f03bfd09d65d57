"""Figures for the page, read while a page shows them: traffic of Pods, and latencies of proxies and DNS.

Rights: traffic is shown for the namespaces whose Pods the user may list; latencies to users who may read `/metrics`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

import msgspec

from fairlead.apiserver.model import SYSTEM, User
from fairlead.apiserver.pages import Backend
from fairlead.base.dataclass import dataclass
from fairlead.machinery.values.status import StatusError
from fairlead.runtime.transport import Request, decode_status_error
from fairlead.webui.explaining import fetch
from fairlead.webui.histograms import Histogram, read_histogram
from fairlead.webui.plainhttp import get

_TRAFFIC_S, _LATENCY_S = 1.0, 2.0
_DNS_METRICS_PORT = 9153
_DNS_PODS = "/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dkube-dns"
_NODES = "/api/v1/nodes"
_KEPT = (
    "receivedBytes",
    "sentBytes",
    "receivedPackets",
    "sentPackets",
    "openConnections",
    "connections",
)
Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Plot:
    """A latency that the page plots."""

    name: str
    metric: str


_OF_PROXY = (
    Plot("slice change to kernel", "kubeproxy_network_programming_duration_seconds"),
    Plot("rules written", "kubeproxy_sync_proxy_rules_duration_seconds"),
)
_OF_DNS = (
    Plot("DNS answer", "coredns_dns_request_duration_seconds"),
    Plot("slice change to DNS", "coredns_kubernetes_dns_programming_duration_seconds"),
)


async def traffic(backend: Backend, user: User, namespace: str) -> AsyncIterator[Message]:
    """Yields the counters of Pods once a second; after the first message only those that changed."""
    inside = f"/namespaces/{namespace}" if namespace else ""
    await fetch(backend.transport(user), f"/api/v1{inside}/pods?limit=1")
    before: dict[str, list[int]] = {}
    while True:
        answers = await asyncio.gather(*(_of_node(backend, node) for node in await _nodes(backend)))
        now = {
            f"{pod['namespace']}/{pod['name']}": [pod[field] for field in _KEPT]
            for pod in (pod for answer in answers for pod in answer)
            if namespace in ("", pod["namespace"])
        }
        yield {"traffic": {key: counters for key, counters in now.items() if before.get(key) != counters}}
        before = now
        await asyncio.sleep(_TRAFFIC_S)


async def _of_node(backend: Backend, node: str) -> list[Mapping[str, Any]]:
    try:
        pods: list[Mapping[str, Any]] = msgspec.json.decode(await backend.read_node(node, "/stats/traffic"))["pods"]
    except StatusError:  # the node's agent restarts
        return []
    return pods


async def _nodes(backend: Backend) -> list[str]:
    nodes = await fetch(backend.transport(SYSTEM), _NODES)
    return [item["metadata"]["name"] for item in nodes["items"]]


async def latencies(backend: Backend, user: User, namespace: str) -> AsyncIterator[Message]:
    """Yields, every two seconds, the quantiles of the durations that were observed since the last message; `first`
    those since the start of the programs."""
    answer = await backend.transport(user).request(Request("GET", "/metrics", {}, {}))
    if answer.status != 200:
        raise decode_status_error(answer.status, answer.body)
    before: dict[str, Histogram] = {}
    while True:
        proxies, dns = await asyncio.gather(_proxy_metrics(backend), _dns_metrics(backend))
        now = _sums(_OF_PROXY, proxies) | _sums(_OF_DNS, dns)
        changes = {name: total.since(before.get(name)).quantiles() for name, total in now.items()}
        yield {"latency": changes, "first": not before}
        before = now
        await asyncio.sleep(_LATENCY_S)


def _sums(plots: Iterable[Plot], texts: Iterable[str]) -> dict[str, Histogram]:
    texts = list(texts)
    return {plot.name: sum((read_histogram(text, plot.metric) for text in texts), Histogram()) for plot in plots}


async def _proxy_metrics(backend: Backend) -> list[str]:
    async def read(node: str) -> str:
        try:
            return (await backend.read_node(node, "/metrics/proxy")).decode()
        except StatusError:
            return ""

    return await asyncio.gather(*(read(node) for node in await _nodes(backend)))


async def _dns_metrics(backend: Backend) -> list[str]:
    pods = (await fetch(backend.transport(SYSTEM), _DNS_PODS))["items"]
    ips = [ip for pod in pods if (ip := pod.get("status", {}).get("podIP"))]
    return await asyncio.gather(*(get(ip, _DNS_METRICS_PORT, "/metrics") for ip in ips))
