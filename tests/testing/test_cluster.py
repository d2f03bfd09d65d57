"""`Cluster`, used directly."""

from __future__ import annotations

import asyncio
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.cli.api import ApiError
from fairlead.testing import Cluster, ClusterError

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

WEB = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: web, image: fairlead/web}]
---
apiVersion: v1
kind: Service
metadata: {name: inner}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: outer}
spec: {type: NodePort, selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: nothing}
spec: {selector: {app: none}, ports: [{port: 80}]}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="module")
def cluster(home: Path) -> Iterator[Cluster]:
    with Cluster() as cluster:
        yield cluster


@pytest.mark.parametrize("service", ["inner", "outer"])
def test_a_service_is_reached_from_the_test(cluster: Cluster, service: str) -> None:
    with cluster.namespace() as namespace:
        cluster.apply(WEB, namespace=namespace)
        url = cluster.url(service, namespace=namespace)
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert b"Pod web" in answer.read()
        assert url == cluster.url(service, namespace=namespace, port="http")


def test_a_service_that_cannot_be_reached_is_explained(cluster: Cluster) -> None:
    with cluster.namespace() as namespace:
        cluster.apply(WEB, namespace=namespace)
        with pytest.raises(ClusterError, match=r"service nothing in namespace .* cannot be reached: no Pod is ready"):
            cluster.url("nothing", namespace=namespace, timeout_s=0)
        with pytest.raises(ClusterError, match='service "inner" has no port 81: it has 80, http'):
            cluster.url("inner", namespace=namespace, port=81)


def test_waiting_in_vain_says_how_the_object_is(cluster: Cluster) -> None:
    pod = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p"}}
    spec = {"containers": [{"name": "c", "image": "fairlead/web"}], "nodeSelector": {"disk": "ssd"}}
    with cluster.namespace() as namespace:
        cluster.apply(pod | {"spec": spec}, namespace=namespace)
        cluster.wait("pod/p", lambda p: bool(p["status"].get("conditions")), namespace=namespace)
        with pytest.raises(ClusterError, match=r"not as expected within 0 s; Pending, PodScheduled=False \(0/1 nodes"):
            cluster.wait("pod/p", namespace=namespace, timeout_s=0)


def test_objects_are_found_by_all_names_of_their_kind(cluster: Cluster) -> None:
    for what in ("deployment/fairlead-dns", "deploy/fairlead-dns", "deployments.apps/fairlead-dns"):
        assert cluster.get(what, namespace="kube-system")["kind"] == "Deployment"
    assert cluster.get("no/node1")["kind"] == "Node"
    with pytest.raises(ClusterError, match='the cluster has no kind "gizmo"'):
        cluster.get("gizmo/x")
    with pytest.raises(ClusterError, match='"node1" is not an object: expected KIND/NAME'):
        cluster.get("node1")


def test_a_folder_of_manifests_and_a_list_are_applied(cluster: Cluster, tmp_path: Path) -> None:
    one = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "one"}}
    (tmp_path / "a.yaml").write_text("kind: ConfigMap\napiVersion: v1\nmetadata: {name: two}\n")
    with cluster.namespace() as namespace:
        assert [o["metadata"]["name"] for o in cluster.apply(tmp_path, namespace=namespace)] == ["two"]
        applied = cluster.apply({"kind": "List", "items": [one]}, namespace=namespace)
        assert applied[0]["metadata"]["namespace"] == namespace
        with pytest.raises(ClusterError, match="there is no manifest"):
            cluster.apply(tmp_path / "missing.yaml")
        with pytest.raises(ClusterError, match="not an object of the API: text"):
            cluster.apply(["text"])  # type: ignore[list-item]


def test_a_reset_and_a_snapshot_bring_objects_back(cluster: Cluster) -> None:
    level = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "level"}, "data": {"n": "1"}}
    cluster.apply(level)
    cluster.save("one")
    cluster.apply(level | {"data": {"n": "2"}})
    cluster.restore("one")
    assert cluster.get("configmap/level")["data"] == {"n": "1"}
    cluster.reset()
    with pytest.raises(ApiError, match="not found"):
        cluster.get("configmap/level")


def test_kubectl_fails_with_its_error(cluster: Cluster) -> None:
    with pytest.raises(ClusterError, match=r"kubectl get pod missing: .*not found"):
        cluster.kubectl("get pod missing")
    assert cluster.kubectl("get pod missing", check=False) == ""


def test_an_asynchronous_block_has_a_cluster_too(home: Path) -> None:
    async def work() -> str:
        async with Cluster(nodes=2) as cluster:
            nodes = await asyncio.to_thread(cluster.kubectl, "get", "nodes", "-o", "name")
            assert cluster.paths.root.exists()
        assert not cluster.paths.root.exists()
        return nodes

    assert asyncio.run(work()).split() == ["node/node1", "node/node2"]


def test_a_cluster_that_cannot_start_says_why(home: Path) -> None:
    with pytest.raises(ClusterError, match=r"the cluster did not start: fairlead.*invalid port range"):
        Cluster(flags=["--node-port-range", "9-1"]).start()


def test_the_environment_points_other_programs_at_the_cluster(cluster: Cluster) -> None:
    assert cluster.environment["KUBECONFIG"] == str(cluster.kubeconfig)
    assert cluster.environment["PATH"] == os.environ["PATH"]
