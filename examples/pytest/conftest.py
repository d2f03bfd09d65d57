"""The fixtures of this project. Those of Fairlead come with `pip install fairlead`; nothing is to be configured."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fairlead.testing import Cluster

MANIFESTS = Path(__file__).with_name("manifests")


@dataclass(frozen=True)
class Shop:
    """The application in one namespace."""

    cluster: Cluster
    namespace: str

    def ask(self) -> str:
        url = self.cluster.url("web", namespace=self.namespace)
        with urllib.request.urlopen(url, timeout=10) as answer:
            return str(answer.read().decode())

    def run(self, command: str) -> str:
        """Returns the output of a command in a container of the web server."""
        words = command.split()
        return self.cluster.kubectl("exec", "deployment/web", "--", *words, namespace=self.namespace)

    def pods(self) -> list[str]:
        path = f"/api/v1/namespaces/{self.namespace}/pods?labelSelector=component%3Dweb"
        return sorted(f"pod/{pod['metadata']['name']}" for pod in self.cluster.api.get(path)["items"])


def install(cluster: Cluster, namespace: str) -> Shop:
    cluster.apply(MANIFESTS, namespace=namespace)
    cluster.wait("deployment/web", namespace=namespace)
    return Shop(cluster, namespace)


@pytest.fixture(scope="module")
def shop(fairlead_cluster: Cluster) -> Iterator[Shop]:
    """One installation for the tests that only look."""
    with fairlead_cluster.namespace("shop") as namespace:
        yield install(fairlead_cluster, namespace)


@pytest.fixture
def own_shop(fairlead_cluster: Cluster, fairlead_namespace: str) -> Shop:
    """A separate installation, for tests that change it."""
    return install(fairlead_cluster, fairlead_namespace)
