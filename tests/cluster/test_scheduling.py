"""Scheduling of a real cluster by kubectl: zones, preemption, taints, and the drain of a node with all workloads."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.kubectl import Kubectl
from tests.cluster.support import free_port, new_cluster, until

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

SPREAD = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: spread}
spec:
  replicas: 4
  selector: {matchLabels: {app: spread}}
  template:
    metadata: {labels: {app: spread}}
    spec:
      terminationGracePeriodSeconds: 0
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: topology.kubernetes.io/zone
        whenUnsatisfiable: DoNotSchedule
        labelSelector: {matchLabels: {app: spread}}
        matchLabelKeys: [pod-template-hash]
      containers: [{name: web, image: fairlead/web}]
"""

WORKLOADS = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {terminationGracePeriodSeconds: 1, containers: [{name: web, image: fairlead/web}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 2, selector: {matchLabels: {app: web}}}
---
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {clusterIP: None, selector: {app: db}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {terminationGracePeriodSeconds: 1, containers: [{name: web, image: fairlead/web}]}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {terminationGracePeriodSeconds: 1, containers: [{name: web, image: fairlead/web}]}
---
apiVersion: v1
kind: ReplicationController
metadata: {name: old}
spec:
  replicas: 2
  selector: {app: old}
  template:
    metadata: {labels: {app: old}}
    spec: {terminationGracePeriodSeconds: 1, containers: [{name: web, image: fairlead/web}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: work}
spec:
  parallelism: 2
  completions: 2
  podFailurePolicy:
    rules: [{action: Ignore, onPodConditions: [{type: DisruptionTarget}]}]
  template:
    metadata: {labels: {app: work}}
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 1
      containers: [{name: work, image: busybox, command: [sleep, "3600"]}]
---
apiVersion: v1
kind: Pod
metadata: {name: alone, labels: {app: alone}}
spec:
  terminationGracePeriodSeconds: 1
  volumes: [{name: scratch, emptyDir: {}}]
  containers: [{name: web, image: fairlead/web, volumeMounts: [{name: scratch, mountPath: /scratch}]}]
"""


@pytest.fixture(scope="module")
def kubectl() -> Iterator[Kubectl]:
    with new_cluster() as cluster:
        cluster.up("--nodes", "3", "--zones", "2", "--api-port", str(free_port()))
        yield Kubectl(cluster)


def places(kubectl: Kubectl, app: str) -> list[str]:
    return sorted(pod["spec"].get("nodeName", "") for pod in kubectl.pods(app))


def zones(kubectl: Kubectl) -> dict[str, str]:
    nodes = json.loads(kubectl("get nodes -o json"))["items"]
    return {n["metadata"]["name"]: n["metadata"]["labels"]["topology.kubernetes.io/zone"] for n in nodes}


def test_replicas_are_spread_over_the_zones(kubectl: Kubectl) -> None:
    kubectl("apply -f -", SPREAD)
    kubectl("rollout status deployment/spread --timeout=120s")
    zone_of = zones(kubectl)
    assert sorted(Counter(zone_of[node] for node in places(kubectl, "spread")).values()) == [2, 2]
    kubectl("delete deployment spread --timeout=120s")


def pod_of(name: str, priority_class: str, node: str, cpu: str) -> str:
    spec: dict[str, Any] = {
        "priorityClassName": priority_class,
        "nodeSelector": {"kubernetes.io/hostname": node},
        "terminationGracePeriodSeconds": 1,
        "containers": [{"name": "web", "image": "fairlead/web", "resources": {"requests": {"cpu": cpu}}}],
    }
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})


def test_an_urgent_pod_takes_the_room_of_another(kubectl: Kubectl) -> None:
    kubectl("create priorityclass low --value=1")
    kubectl("create priorityclass high --value=1000")
    allocatable = json.loads(kubectl("get node node1 -o json"))["status"]["allocatable"]["cpu"]
    whole = f"{int(allocatable) * 1000 - 100}m"
    kubectl("apply -f -", pod_of("humble", "low", "node1", whole))
    kubectl("wait --for=condition=Ready pod/humble --timeout=120s")
    kubectl("apply -f -", pod_of("urgent", "high", "node1", whole))
    kubectl("wait --for=condition=Ready pod/urgent --timeout=120s")
    assert "humble" not in kubectl("get pods -o name")
    events = "get events --field-selector reason=Preempted"
    shown = until("an event", lambda: text if "Preempted by pod" in (text := kubectl(events)) else "")
    assert "on node node1" in shown
    kubectl("delete pod urgent --timeout=120s")


def test_a_drained_node_keeps_only_daemons_and_every_workload_has_its_pods_elsewhere(kubectl: Kubectl) -> None:
    kubectl("apply -f -", WORKLOADS)
    apps = {"web": 3, "db": 2, "old": 2, "work": 2}

    def all_run(*, without: str = "") -> bool:
        pods = [pod for app in apps for pod in kubectl.pods(app)]
        running = [
            p for p in pods if p["status"].get("phase") == "Running" and not p["metadata"].get("deletionTimestamp")
        ]
        counts = Counter(p["metadata"]["labels"]["app"] for p in running)
        return counts == apps and all(p["spec"]["nodeName"] != without for p in running)

    until("all workloads run", all_run)
    kubectl("wait --for=condition=Ready pod/alone --timeout=120s")
    (target,) = places(kubectl, "alone")
    kubectl("rollout status daemonset/agent --timeout=120s")
    refused = kubectl.refusal(f"drain {target} --timeout=120s")
    assert "cannot delete DaemonSet-managed Pods" in refused
    assert "cannot delete Pods with local storage" in refused
    kubectl(f"drain {target} --ignore-daemonsets --delete-emptydir-data --force --timeout=120s")
    assert "alone" not in kubectl("get pods -o name")
    until("all workloads run elsewhere", lambda: all_run(without=target))
    assert target in places(kubectl, "agent")
    job = json.loads(kubectl("get job work -o json"))
    assert job["status"].get("failed", 0) == 0, "a Pod that was drained is no failure"
    kubectl(f"uncordon {target}")


def test_a_node_made_by_hand_gets_a_range_that_no_own_node_can_have(kubectl: Kubectl) -> None:
    kubectl("create -f -", '{"apiVersion":"v1","kind":"Node","metadata":{"name":"m1"},"spec":{"unschedulable":true}}')
    until("it has a range", lambda: kubectl("get node m1 -o jsonpath={.spec.podCIDRs}") == '["10.244.255.0/24"]')
    kubectl("delete node m1")


def test_a_taint_evicts_what_does_not_tolerate_it(kubectl: Kubectl) -> None:
    tolerant = json.loads(pod_of("tolerant", "", "node2", "1m"))
    tolerant["spec"]["tolerations"] = [{"key": "maintenance", "operator": "Exists", "effect": "NoExecute"}]
    kubectl("apply -f -", json.dumps(tolerant))
    kubectl("apply -f -", pod_of("plain", "", "node2", "1m"))
    kubectl("wait --for=condition=Ready pod/tolerant pod/plain --timeout=120s")
    kubectl("taint node node2 maintenance=yes:NoExecute")
    kubectl("wait --for=delete pod/plain --timeout=120s")
    assert "tolerant" in kubectl("get pods -o name")
    events = "get events --field-selector reason=TaintManagerEviction"
    until("an event", lambda: "Marking for deletion Pod default/plain" in kubectl(events))
    kubectl("taint node node2 maintenance-")
