"""kubectl rollout, and kubectl create and drain of the remaining kinds, as their documentation shows them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.kubectl import Kubectl
from tests.cluster.support import free_port, new_cluster, until

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

CONTROLLER = """
apiVersion: v1
kind: ReplicationController
metadata: {name: old}
spec:
  replicas: 2
  selector: {app: old}
  template:
    metadata: {labels: {app: old}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: web, image: fairlead/web}]
"""


@pytest.fixture(scope="module")
def kubectl() -> Iterator[Kubectl]:
    with new_cluster("user") as cluster:
        cluster.up("--nodes", "2", "--api-port", str(free_port()))
        yield Kubectl(cluster)


def test_a_deployment_is_paused_resumed_restarted_and_rolled_back(kubectl: Kubectl) -> None:
    kubectl("create deployment web --image=fairlead/web --replicas=2")
    kubectl("set env deploy/web VERSION=1")
    assert "successfully rolled out" in kubectl("rollout status deploy/web --timeout=120s")
    kubectl("rollout pause deploy/web")
    kubectl("set env deploy/web VERSION=2")
    kubectl("annotate deploy/web kubernetes.io/change-cause=second")
    reasons = "get deploy web -o jsonpath={.status.conditions[*].reason}"
    until("the condition", lambda: "paused" in kubectl(reasons).lower())
    assert kubectl.versions("web") == ["1", "1"]
    assert "can't restart paused deployment" in kubectl.refusal("rollout restart deploy/web")
    kubectl("rollout resume deploy/web")
    kubectl("rollout status deploy/web --timeout=120s")
    until("the old pods are gone", lambda: kubectl.versions("web") == ["2", "2"])
    rows = [line.split() for line in kubectl("rollout history deploy/web").splitlines()[2:] if line]
    assert [row[0] for row in rows] == ["1", "2", "3"]
    assert rows[-1][1] == "second"
    assert "VERSION:\t1" in kubectl("rollout history deploy/web --revision=2")
    kubectl("rollout undo deploy/web --to-revision=2")
    kubectl("rollout status deploy/web --timeout=120s")
    until("the pods of revision 2", lambda: kubectl.versions("web") == ["1", "1"])
    before = {pod["metadata"]["name"] for pod in kubectl.pods("web")}
    kubectl("rollout restart deploy/web")
    kubectl("rollout status deploy/web --timeout=120s")
    until("new pods", lambda: before.isdisjoint(pod["metadata"]["name"] for pod in kubectl.pods("web")))
    kubectl("delete deploy web")


def test_a_rollout_without_progress_is_reported(kubectl: Kubectl) -> None:
    kubectl("create deployment stuck --image=fairlead/web")
    kubectl('patch deploy stuck -p {"spec":{"progressDeadlineSeconds":1}}')
    kubectl("rollout status deploy/stuck --timeout=120s")
    kubectl("set image deploy/stuck web=registry.invalid/none:1")
    assert "exceeded its progress deadline" in kubectl.refusal("rollout status deploy/stuck --timeout=120s")
    kubectl("rollout undo deploy/stuck")
    kubectl("rollout status deploy/stuck --timeout=120s")
    kubectl("delete deploy stuck")


def test_a_quota_created_by_kubectl_limits_pods_and_shows_its_use(kubectl: Kubectl) -> None:
    kubectl("create namespace small")
    kubectl("create quota two -n small --hard=pods=2,services=1")
    kubectl("create deployment web -n small --image=fairlead/web --replicas=3")
    kubectl("create service clusterip web -n small --tcp=80:8080")
    until("its use", lambda: "pods: 2/2, services: 1/1" in kubectl("get quota two -n small"))
    assert "exceeded quota: two" in kubectl.refusal("create service clusterip more -n small --tcp=80:8080")
    until("an event", lambda: "exceeded quota: two" in kubectl("get events -n small"))
    kubectl("delete namespace small --timeout=120s")


def test_classes_and_budgets_created_by_kubectl_apply_to_pods(kubectl: Kubectl) -> None:
    kubectl("create priorityclass urgent --value=1000 --description=first")
    kubectl.run(["run", "first", "--image=fairlead/web", '--overrides={"spec":{"priorityClassName":"urgent"}}'])
    assert kubectl("get pod first -o jsonpath={.spec.priority}") == "1000"
    kubectl("create pdb one --selector=run=first --max-unavailable=0")
    until("the budget's status", lambda: kubectl("get pdb one --no-headers").split()[1:4] == ["N/A", "0", "0"])
    kubectl("delete pdb/one pod/first priorityclass/urgent")


def test_a_drain_moves_the_pods_of_a_replication_controller(kubectl: Kubectl) -> None:
    kubectl("apply -f -", CONTROLLER)
    until("two pods are Ready", lambda: kubectl("get rc old --no-headers").split()[1:4] == ["2", "2", "2"])
    kubectl("drain node2 --ignore-daemonsets --delete-emptydir-data --timeout=120s")
    until("two pods are Ready", lambda: kubectl("get rc old --no-headers").split()[1:4] == ["2", "2", "2"])
    until("both on node1", lambda: [pod["spec"].get("nodeName") for pod in kubectl.pods("old")] == ["node1"] * 2)
    kubectl("uncordon node2")
    kubectl("scale rc old --replicas=1")
    until("one pod", lambda: len(kubectl.pods("old")) == 1)
    kubectl("delete rc old")
