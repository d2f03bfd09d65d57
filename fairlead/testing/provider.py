"""A provider for pytest-kubernetes, whose fixtures then use a cluster of Fairlead.

from fairlead.testing.provider import FairleadManager

@pytest.fixture(scope="session")
def k8s():
    manager = FairleadManager("mine")
    manager.create()
    yield manager
    manager.delete()
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from pytest_kubernetes.options import ClusterOptions
from pytest_kubernetes.providers.base import AClusterManager

from fairlead.testing.cluster import Cluster


class FairleadManager(AClusterManager):  # type: ignore[misc,unused-ignore]
    """Runs a cluster of Fairlead in the place of kind, k3d or minikube."""

    _cluster: Cluster | None = None

    @classmethod
    def get_binary_name(cls) -> str:
        """Returns this interpreter: Fairlead is one of its packages."""
        return sys.executable

    def _on_create(self, cluster_options: ClusterOptions, **kwargs: Any) -> None:
        self._cluster = Cluster(self.cluster_name, **kwargs).start()
        Path(cluster_options.kubeconfig_path).write_bytes(self._cluster.kubeconfig.read_bytes())

    def _on_delete(self) -> None:
        if self._cluster is not None:
            self._cluster.stop()
            self._cluster = None

    def load_image(self, image: str) -> None:
        """Loads an image: the path of an archive, or the name of an image of Docker."""
        if self._cluster is None:
            raise RuntimeError("the cluster was not created")
        if Path(image).exists():
            self._cluster.load_image(image)
        else:
            from fairlead.testing.process import run

            run("image", "load-from", "docker", image)
