"""Servers of metrics for a cluster in virtual time: their values are set by the test."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, cast

from fairlead.apiserver.model import User
from fairlead.base.instant import render_time
from fairlead.machinery.values.selectors import parse_label_selector
from fairlead.machinery.values.status import StatusError
from fairlead.runtime.client import Client
from tests.controllers.world import World

CUSTOM = "/apis/custom.metrics.k8s.io"


class MetricsWorld(World):
    """A world whose controllers get the values of metrics from this object; all else from the API server."""

    def __init__(self, client_as: Callable[[User], Client], *more: Any) -> None:
        super().__init__(lambda user: cast("Client", _WithMetrics(client_as(user), self)), *more)
        self.use: dict[str, str] = {}
        """The use of each container by resource; the same for all pods."""
        self.answers: dict[str, Any] = {}
        """Items that the custom and external APIs return, by path."""
        self.asked: list[tuple[str, Mapping[str, str]]] = []

    async def pod_metrics(self, namespace: str, selector: str) -> list[Any]:
        chosen = parse_label_selector(selector)
        now = render_time(self.clock.now())
        return [
            {
                "metadata": {"name": pod.metadata.name},
                "timestamp": now,
                "window": "15s",
                "containers": [{"name": c.name, "usage": self.use} for c in pod.spec.containers],
            }
            for pod in await self.pods()
            if pod.metadata.namespace == namespace and chosen.matches(pod.metadata.labels) and self.use
        ]

    async def answer(self, path: str, query: Mapping[str, str]) -> Any:
        self.asked.append((path, query))
        if path.startswith("/apis/metrics.k8s.io/"):
            return {"items": await self.pod_metrics(path.split("/")[5], query.get("labelSelector", ""))}
        if path == CUSTOM and any(known.startswith(CUSTOM) for known in self.answers):
            return {"preferredVersion": {"version": "v1beta2"}, "versions": [{"version": "v1beta2"}]}
        if path not in self.answers:
            raise StatusError(404, "NotFound", "the server could not find the requested resource")
        return {"items": self.answers[path]}


class _WithMetrics:
    """A client of the API server and of the metrics servers behind it."""

    def __init__(self, client: Client, world: MetricsWorld) -> None:
        self._client = client
        self._world = world

    async def raw(self, method: str, path: str, *, body: bytes = b"", query: Mapping[str, str] | None = None) -> bytes:
        if ".metrics.k8s.io" in path or path.startswith("/apis/metrics.k8s.io"):
            return json.dumps(await self._world.answer(path, query or {})).encode()
        return await self._client.raw(method, path, body=body, query=query)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)
