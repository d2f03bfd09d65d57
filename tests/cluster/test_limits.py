"""Limits of cpu and memory and their change in place, for root (control groups) and an ordinary user (the agent)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.kubectl import Kubectl
from tests.cluster.support import RUNNERS, free_port, new_cluster, until

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

POD = """
apiVersion: v1
kind: Pod
metadata: {name: %s}
spec:
  restartPolicy: %s
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: busybox
    command: [sh, -c, "%s"]
    resizePolicy: [{resourceName: memory, restartPolicy: %s}]
    resources: {requests: {cpu: 100m, memory: 32Mi}, limits: {cpu: 200m, memory: 64Mi}}
"""


@pytest.fixture(scope="module", params=sorted(RUNNERS))
def kubectl(request: pytest.FixtureRequest) -> Iterator[Kubectl]:
    with new_cluster(request.param) as cluster:
        cluster.up("--api-port", str(free_port()), "--registries", "none")
        yield Kubectl(cluster)


def make(kubectl: Kubectl, name: str, *, command: str, restart: str = "Always", on_memory: str = "NotRequired") -> None:
    kubectl("apply -f -", text=POD % (name, restart, command, on_memory))


def pod(kubectl: Kubectl, name: str) -> dict[str, Any]:
    found: dict[str, Any] = kubectl.cluster.access().call("GET", f"/api/v1/namespaces/default/pods/{name}")
    return found


def main_status(kubectl: Kubectl, name: str) -> dict[str, Any]:
    status: dict[str, Any] = (pod(kubectl, name)["status"].get("containerStatuses") or [{}])[0]
    return status


def patch(kubectl: Kubectl, name: str, limit: str) -> None:
    containers = [{"name": "main", "resources": {"limits": {"memory": limit}}}]
    body = json.dumps({"spec": {"containers": containers}})
    kubectl.run(["patch", "pod", name, "--subresource=resize", "-p", body])


def conditions(kubectl: Kubectl, name: str) -> dict[str, str]:
    return {c["type"]: c.get("reason", "") for c in pod(kubectl, name)["status"]["conditions"]}


def test_a_container_that_takes_more_than_its_limit_is_killed_for_it(kubectl: Kubectl) -> None:
    make(kubectl, "greedy", command="sleep 0.2; exec tail /dev/zero", restart="Never")
    status = until("greedy has ended", lambda: main_status(kubectl, "greedy").get("state", {}).get("terminated"))
    assert (status["reason"], status["exitCode"], status["signal"]) == ("OOMKilled", 137, 9)
    assert pod(kubectl, "greedy")["status"]["phase"] == "Failed"


def test_limits_are_changed_while_the_container_runs(kubectl: Kubectl) -> None:
    make(kubectl, "elastic", command="exec sleep 1000000")
    kubectl("wait --for=condition=Ready pod/elastic --timeout=120s")
    before = main_status(kubectl, "elastic")
    assert before["resources"]["limits"] == {"cpu": "200m", "memory": "64Mi"}
    assert before["allocatedResources"] == {"cpu": "100m", "memory": "32Mi"}
    patch(kubectl, "elastic", "96Mi")

    def resized() -> Any:
        status = main_status(kubectl, "elastic")
        return status if status["resources"]["limits"]["memory"] == "96Mi" else None

    after = until("the status has the new limit", resized)
    assert (after["restartCount"], after["containerID"]) == (0, before["containerID"])
    found = pod(kubectl, "elastic")
    assert found["status"]["observedGeneration"] == found["metadata"]["generation"] == 2
    assert "PodResizeInProgress" not in conditions(kubectl, "elastic")
    kubectl.run(["exec", "elastic", "--", "sh", "-c", "head -c 80000000 /dev/zero | tail >/dev/null"])
    until("the event is there", lambda: "ResizeCompleted" in kubectl("get events"))


def test_a_policy_says_that_a_resize_restarts_the_container(kubectl: Kubectl) -> None:
    make(kubectl, "restarted", command="exec sleep 1000000", on_memory="RestartContainer")
    kubectl("wait --for=condition=Ready pod/restarted --timeout=120s")
    patch(kubectl, "restarted", "80Mi")

    def restarted() -> Any:
        status = main_status(kubectl, "restarted")
        return status if status["restartCount"] == 1 and status["ready"] else None

    assert until("it runs again", restarted)["resources"]["limits"]["memory"] == "80Mi"


def test_more_than_the_node_has_is_infeasible_and_changes_nothing(kubectl: Kubectl) -> None:
    make(kubectl, "modest", command="exec sleep 1000000")
    kubectl("wait --for=condition=Ready pod/modest --timeout=120s")
    body = '{"spec":{"containers":[{"name":"main","resources":{"limits":{"cpu":"999"},"requests":{"cpu":"999"}}}]}}'
    kubectl.run(["patch", "pod", "modest", "--subresource=resize", "-p", body])
    until("it is infeasible", lambda: conditions(kubectl, "modest").get("PodResizePending") == "Infeasible")
    assert main_status(kubectl, "modest")["resources"]["limits"]["cpu"] == "200m"
    body = '{"spec":{"containers":[{"name":"main","resources":{"limits":{"cpu":"200m"},"requests":{"cpu":"100m"}}}]}}'
    kubectl.run(["patch", "pod", "modest", "--subresource=resize", "-p", body])
    until("nothing is pending", lambda: "PodResizePending" not in conditions(kubectl, "modest"))


def test_who_enforces_limits_is_said_and_shown(kubectl: Kubectl) -> None:
    node = kubectl.cluster.access().call("GET", "/api/v1/nodes/node1")
    missing = [c for c in node["status"]["conditions"] if c["type"] == "KernelLimits"]
    make(kubectl, "seen", command="exec sleep 1000000")
    kubectl("wait --for=condition=Ready pod/seen --timeout=120s")
    if missing:
        assert (missing[0]["status"], missing[0]["reason"]) == ("False", "NoControlGroups")
        found = "get events --all-namespaces --field-selector reason=NoControlGroups"
        until("the node's event", lambda: "NoControlGroups" in kubectl(found))
        until("the Pod's event", lambda: "limits[cpu]" in kubectl("get events --field-selector reason=Ignored"))
        return
    files = "memory/memory.limit_in_bytes cpu/cpu.cfs_quota_us memory.max cpu.max"
    script = f"cd /sys/fs/cgroup; cat {files} 2>/dev/null; cat /proc/1/oom_score_adj"
    text = kubectl.run(["exec", "seen", "--", "sh", "-c", script])
    memory, quota, score = text.split()[0], text.split()[1], int(text.split()[-1])
    assert (memory, quota) == (str(64 << 20), "20000")
    assert 900 < score < 1000


WRITER = """
apiVersion: v1
kind: Pod
metadata: {name: %s}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: busybox
    command: [sh, -c, "head -c 4000000 /dev/urandom > %s; exec sleep 1000000"]
    resources: {limits: {ephemeral-storage: 1Gi}}
    volumeMounts: [{name: data, mountPath: /data}]
  volumes: [{name: data, emptyDir: {sizeLimit: %s}}]
"""


def test_a_pod_that_writes_more_than_it_may_is_evicted(kubectl: Kubectl) -> None:
    kubectl("apply -f -", WRITER % ("writer", "/data/x", "1Mi"))
    kubectl("apply -f -", WRITER % ("fitting", "/data/x", "10Mi"))
    kubectl("wait --for=condition=Ready pod/fitting --timeout=120s")
    status = until("it is evicted", lambda: (s := pod(kubectl, "writer")["status"]).get("reason") and s)
    assert (status["phase"], status["reason"]) == ("Failed", "Evicted")
    assert status["message"] == 'Usage of EmptyDir volume "data" exceeds the limit "1Mi". '
    assert conditions(kubectl, "writer")["DisruptionTarget"] == "TerminationByKubelet"
    assert pod(kubectl, "fitting")["status"]["phase"] == "Running"


def test_a_rule_restarts_a_container_that_is_not_restarted_otherwise(kubectl: Kubectl) -> None:
    script = "test -e /data/x && exec sleep 1000000; touch /data/x; exit 42"
    rules = [{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}]
    container: dict[str, Any] = {"name": "main", "image": "busybox", "command": ["sh", "-c", script]}
    container["restartPolicy"] = "Never"
    more = {"restartPolicyRules": rules, "volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    spec = {"containers": [container | more], "restartPolicy": "Never", "volumes": [{"name": "data", "emptyDir": {}}]}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "ruled"}, "spec": spec}
    kubectl("apply -f -", json.dumps(body))

    def restarted() -> Any:
        status = main_status(kubectl, "ruled")
        return status if status.get("restartCount") == 1 and status["ready"] else None

    assert until("it runs again", restarted)["lastState"]["terminated"]["exitCode"] == 42
