"""kill -9 of each kind of component during a Job and a rollout of a StatefulSet: no Pod is lost or counted twice."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.kubectl import Kubectl
from tests.cluster.support import free_port, new_cluster, until
from tests.cluster.victims import Victims

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

GROUPS = (("control-plane",), ("agent",), ("relay",), ("all agents", "control-plane"), ("dns",))
"""Processes whose end leaves containers alone."""
COMPLETIONS, REPLICAS = 50, 3

JOB = f"""
apiVersion: batch/v1
kind: Job
metadata: {{name: fifty}}
spec:
  completions: {COMPLETIONS}
  parallelism: 6
  completionMode: Indexed
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 1
      containers: [{{name: work, image: busybox, command: [sh, -c, "sleep 0.5; echo $JOB_COMPLETION_INDEX"]}}]
"""
STATEFUL_SET = f"""
apiVersion: v1
kind: Service
metadata: {{name: db}}
spec: {{clusterIP: None, selector: {{app: db}}, ports: [{{port: 8080}}]}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: db}}
spec:
  serviceName: db
  replicas: {REPLICAS}
  selector: {{matchLabels: {{app: db}}}}
  template:
    metadata: {{labels: {{app: db}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: fairlead/web
        env: [{{name: VERSION, value: "1"}}]
        volumeMounts: [{{name: data, mountPath: /data}}]
        readinessProbe: {{httpGet: {{path: /, port: 8080}}, periodSeconds: 1}}
  volumeClaimTemplates:
  - metadata: {{name: data}}
    spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 10Mi}}}}}}
"""


@pytest.fixture
def kubectl() -> Iterator[Kubectl]:
    with new_cluster() as cluster:
        cluster.up("--nodes", "3", "--api-port", str(free_port()))
        yield Kubectl(cluster)


def kill_and_wait(kubectl: Kubectl, group: tuple[str, ...], rng: random.Random) -> None:
    """Kills the processes, and waits until each of them runs again."""
    victims = Victims(kubectl.cluster)
    before = victims.restarts()
    killed = victims.kill(group, rng)

    def again() -> bool:
        now = victims.restarts()
        return all(now[name] > before[name] for name in killed) and all(c["pid"] for c in victims.components())

    until(f"{group} run again", again)
    until("the API answers", lambda: kubectl.cluster.access().call("GET", "/api/v1/namespaces/default/pods"))


def get(kubectl: Kubectl, path: str) -> dict[str, Any]:
    tree: dict[str, Any] = kubectl.cluster.access().call("GET", path)
    return tree


def test_killed_components_lose_no_completion_and_no_replica(kubectl: Kubectl) -> None:
    rng = random.Random(5)
    kubectl("apply -f -", STATEFUL_SET)
    kubectl("rollout status sts/db --timeout=120s")
    for number in range(REPLICAS):
        kubectl.run(["exec", f"db-{number}", "--", "sh", "-c", f"echo {number} > /data/own"])
    claims = kubectl("get pvc -o name")
    kubectl("apply -f -", JOB)
    kubectl("set env sts/db VERSION=2")
    for group in GROUPS:
        kill_and_wait(kubectl, group, rng)
    kubectl("wait --for=condition=complete job/fifty --timeout=170s")
    status = get(kubectl, "/apis/batch/v1/namespaces/default/jobs/fifty")["status"]
    assert (status["succeeded"], status.get("failed", 0), status["uncountedTerminatedPods"]) == (COMPLETIONS, 0, {})
    assert status["completedIndexes"] == f"0-{COMPLETIONS - 1}"
    pods = get(kubectl, "/api/v1/namespaces/default/pods?labelSelector=job-name%3Dfifty")["items"]
    assert [pod["status"]["phase"] for pod in pods] == ["Succeeded"] * COMPLETIONS
    kubectl("rollout status sts/db --timeout=120s")
    assert kubectl.versions("db") == ["2"] * REPLICAS
    assert kubectl("get pvc -o name") == claims
    for number in range(REPLICAS):
        assert kubectl(f"exec db-{number} -- cat /data/own") == f"{number}\n"
