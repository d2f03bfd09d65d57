"""Clients of well-known libraries, for a cluster of a test. Each library is imported when it is used."""

from __future__ import annotations

import importlib
from typing import Any

from fairlead.testing.cluster import Cluster, ClusterError


class Clients:
    """The official client, lightkube and kr8s, as far as they are installed."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._made: dict[str, Any] = {}

    @property
    def kubernetes(self) -> Any:
        """An `ApiClient` of the official client: `kubernetes.client.CoreV1Api(fairlead_client.kubernetes)`."""
        if "kubernetes" not in self._made:
            config = _import("kubernetes").config
            self._made["kubernetes"] = config.new_client_from_config(config_file=str(self._cluster.kubeconfig))
        return self._made["kubernetes"]

    @property
    def lightkube(self) -> Any:
        """A `lightkube.Client`."""
        if "lightkube" not in self._made:
            lightkube = _import("lightkube")
            config = lightkube.KubeConfig.from_file(str(self._cluster.kubeconfig))
            self._made["lightkube"] = lightkube.Client(config=config)
        return self._made["lightkube"]

    @property
    def kr8s(self) -> Any:
        """An API object of kr8s: `kr8s.objects.Pod.get("web", api=fairlead_client.kr8s)`."""
        if "kr8s" not in self._made:
            self._made["kr8s"] = _import("kr8s").api(kubeconfig=str(self._cluster.kubeconfig))
        return self._made["kr8s"]

    def close(self) -> None:
        """Closes the connections of the official client."""
        if (official := self._made.get("kubernetes")) is not None:
            official.close()


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as e:
        raise ClusterError(f"{name} is not installed: pip install {name}") from e
