"""DaemonSets, StatefulSets and PodDisruptionBudgets of a real cluster, by kubectl."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest

from tests.cluster.kubectl import Kubectl
from tests.cluster.support import free_port, new_cluster, until

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

DAEMON_SET = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: web, image: fairlead/web, env: [{name: VERSION, value: "1"}]}]
"""

STATEFUL_SET = """
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {clusterIP: None, selector: {app: db}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 3
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: fairlead/web
        env: [{name: VERSION, value: "1"}]
        readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
"""
LOOK_UP = """
import socket, sys
for name in sys.argv[1:]:
    print(socket.gethostbyname(f"{name}.default.svc.cluster.local"))
"""


@pytest.fixture(scope="module")
def kubectl() -> Iterator[Kubectl]:
    with new_cluster() as cluster:
        cluster.up("--nodes", "3", "--api-port", str(free_port()))
        yield Kubectl(cluster)


def test_a_daemon_set_runs_on_all_nodes_and_is_updated_rolled_back_and_deleted_by_kubectl(kubectl: Kubectl) -> None:
    kubectl("apply -f -", DAEMON_SET)
    assert "successfully rolled out" in kubectl("rollout status ds/agent --timeout=120s")
    assert sorted(pod["spec"]["nodeName"] for pod in kubectl.pods("agent")) == ["node1", "node2", "node3"]
    kubectl("set env ds/agent VERSION=2")
    kubectl("rollout status ds/agent --timeout=120s")
    assert kubectl.versions("agent") == ["2", "2", "2"]
    assert [line.split()[0] for line in kubectl("rollout history ds/agent").splitlines()[2:4]] == ["1", "2"]
    assert "rolled back" in kubectl("rollout undo ds/agent")
    kubectl.kill_control_plane()
    kubectl("rollout status ds/agent --timeout=120s")
    assert kubectl.versions("agent") == ["1", "1", "1"]
    row = kubectl("get ds agent --no-headers").split()
    assert row[1:6] == ["3", "3", "3", "3", "3"]
    before = {pod["metadata"]["name"] for pod in kubectl.pods("agent")}
    kubectl("rollout restart ds/agent")
    kubectl("rollout status ds/agent --timeout=120s")
    assert before.isdisjoint(pod["metadata"]["name"] for pod in kubectl.pods("agent"))
    kubectl("delete ds agent")
    until("no pod", lambda: kubectl.pods("agent") == [])
    until("no history", lambda: kubectl("get controllerrevisions -l app=agent -o name") == "")


def addresses(kubectl: Kubectl, names: list[str]) -> list[str]:
    """Returns the addresses that a pod of the cluster gets for names of the namespace."""
    words = ["exec", "db-0", "--", "python3", "-c", LOOK_UP, *names]
    return kubectl.run(words).split()


def test_a_stateful_set_starts_in_order_and_is_updated_rolled_back_and_scaled_by_kubectl(kubectl: Kubectl) -> None:
    kubectl("apply -f -", STATEFUL_SET)
    assert "roll out complete: 3 new pods" in kubectl("rollout status sts/db --timeout=120s")
    pods = kubectl.pods("db")
    assert [pod["metadata"]["name"] for pod in pods] == ["db-0", "db-1", "db-2"]
    for earlier, later in pairwise(pods):
        ready = next(c for c in earlier["status"]["conditions"] if c["type"] == "Ready")
        assert ready["lastTransitionTime"] <= later["metadata"]["creationTimestamp"]
    until(
        "names of the pods",
        lambda: addresses(kubectl, ["db-0.db", "db-2.db"]) == [pods[0]["status"]["podIP"], pods[2]["status"]["podIP"]],
    )
    kubectl("set env sts/db VERSION=2")
    until("the first updated pod", lambda: "2" in kubectl.versions("db"))
    kubectl.kill_control_plane()
    kubectl("rollout status sts/db --timeout=120s")
    assert kubectl.versions("db") == ["2", "2", "2"]
    assert [line.split()[0] for line in kubectl("rollout history sts/db").splitlines()[2:4]] == ["1", "2"]
    assert "rolled back" in kubectl("rollout undo sts/db")
    kubectl("rollout status sts/db --timeout=120s")
    assert kubectl.versions("db") == ["1", "1", "1"]
    kubectl("scale sts/db --replicas=1")
    until("one pod", lambda: [pod["metadata"]["name"] for pod in kubectl.pods("db")] == ["db-0"])
    until("the row of one pod", lambda: kubectl("get sts db --no-headers").split()[:2] == ["db", "1/1"])
    kubectl("delete sts,svc db")
    until("no pod", lambda: kubectl.pods("db") == [])


def test_a_drain_waits_for_the_budget_of_the_pods(kubectl: Kubectl) -> None:
    kubectl("create deployment web --image=fairlead/web --replicas=3")
    kubectl("rollout status deploy/web --timeout=120s")
    kubectl("create pdb web --selector=app=web --min-available=3")
    until("the budget's status", lambda: kubectl("get pdb web -o jsonpath={.status.currentHealthy}") == "3")
    on_node = [pod["metadata"]["name"] for pod in kubectl.pods("web") if pod["spec"]["nodeName"] == "node2"]
    assert on_node
    refused = kubectl.refusal("drain node2 --ignore-daemonsets --timeout=3s --delete-emptydir-data")
    assert "Cannot evict pod as it would violate the pod's disruption budget" in refused
    kubectl('patch pdb web -p {"spec":{"minAvailable":2}} --type=merge')
    kubectl("drain node2 --ignore-daemonsets --timeout=120s --delete-emptydir-data")
    kubectl("rollout status deploy/web --timeout=120s")
    assert all(pod["spec"]["nodeName"] != "node2" for pod in kubectl.pods("web"))
    kubectl("uncordon node2")
    kubectl("delete deploy,pdb web")
