"""`kubectl top` with the real kubectl: figures of nodes, pods and containers."""

from __future__ import annotations

import json
import re

import pytest

from tests.cluster.support import until
from tests.kubectl.conftest import Kubectl

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

BUSY = """\
apiVersion: v1
kind: Pod
metadata: {name: busy, labels: {work: hard}}
spec:
  containers:
  - {name: loop, image: busybox, command: [sh, -c, "while :; do :; done"]}
  - {name: idle, image: busybox, command: [sleep, "1000000"]}
"""


def cells(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_top_shows_what_nodes_pods_and_containers_use(kubectl: Kubectl) -> None:
    (kubectl.manifests / "busy.yaml").write_text(BUSY)
    kubectl("create", "-f", "busy.yaml")
    kubectl("wait", "--for=condition=Ready", "pod/busy", "--timeout=120s")

    def usage() -> dict[str, int]:
        found = cells(kubectl("top", "pod", "--containers", "-l", "work=hard", "--no-headers"))
        return {name: int(cpu.removesuffix("m")) for _, name, cpu, _ in found}

    def once_busy() -> dict[str, int] | None:
        found = usage()
        return found if found.get("loop", 0) > 20 else None

    found = until("the loop uses a part of a core", once_busy)
    assert found is not None
    assert found["idle"] < found["loop"]
    (pod,) = cells(kubectl("top", "pod", "busy", "--no-headers"))
    assert pod[0] == "busy"
    assert pod[2].endswith("Mi")
    (loop,) = json.loads(kubectl("get", "podmetrics", "busy", "-o", "json"))["containers"][:1]
    assert int(loop["usage"]["memory"].removesuffix("Ki")) > 0
    nodes = cells(kubectl("top", "node"))
    assert nodes[0] == ["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"]
    assert [row[0] for row in nodes[1:]] == ["node1", "node2", "node3"]
    where = kubectl("get", "pod", "busy", "-o", "jsonpath={.spec.nodeName}")

    def busiest() -> str:
        return max(cells(kubectl("top", "node"))[1:], key=lambda row: int(row[1].removesuffix("m")))[0]

    until("its node is the busiest", lambda: busiest() == where)
    assert "NAME" in kubectl("get", "podmetrics")


def test_the_nodes_answer_as_kubelets_do(kubectl: Kubectl) -> None:
    summary = json.loads(kubectl("get", "--raw", "/api/v1/nodes/node1/proxy/stats/summary"))
    assert summary["node"]["nodeName"] == "node1"
    assert summary["node"]["cpu"]["usageCoreNanoSeconds"] > 0
    metrics = kubectl("get", "--raw", "/api/v1/nodes/node1/proxy/metrics/resource")
    assert "# TYPE node_cpu_usage_seconds_total counter" in metrics
    cadvisor = kubectl("get", "--raw", "/api/v1/nodes/node1/proxy/metrics/cadvisor")
    assert "\nmachine_memory_bytes " in cadvisor


LISTED = """\
apiVersion: v1
kind: Pod
metadata: {name: listed}
spec:
  nodeName: node1
  containers:
  - name: idle
    image: busybox
    command: [sleep, "1000000"]
    readinessProbe: {exec: {command: ["true"]}, periodSeconds: 1}
"""
SETTINGS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: kubelet-config, namespace: kube-system}
data:
  kubelet: |
    kind: KubeletConfiguration
    apiVersion: kubelet.config.k8s.io/v1beta1
    cgroupDriver: systemd
    imageGCHighThresholdPercent: 95
    containerLogMaxSize: 1Ki
    containerLogMaxFiles: 2
"""
LOUD = """\
apiVersion: v1
kind: Pod
metadata: {name: loud}
spec:
  nodeName: node1
  restartPolicy: Never
  containers: [{name: c, image: busybox, command: [seq, "40000"]}]
"""
NODE = "/api/v1/nodes/node1/proxy"


def test_a_node_shows_its_pods_and_metrics_as_kubelets_do(kubectl: Kubectl) -> None:
    (kubectl.manifests / "listed.yaml").write_text(LISTED)
    kubectl("apply", "-f", "listed.yaml")
    try:
        kubectl("wait", "--for=condition=Ready", "pod/listed", "--timeout=120s")
        pod = json.loads(kubectl("get", "pod", "listed", "-o", "json"))
        answer = json.loads(kubectl("get", "--raw", "/api/v1/nodes/node1:10250/proxy/pods"))
        metrics = kubectl("get", "--raw", f"{NODE}/metrics")
        probes = kubectl("get", "--raw", f"{NODE}/metrics/probes")
        of_control_plane = kubectl("get", "--raw", "/metrics")
    finally:
        kubectl("delete", "-f", "listed.yaml", "--now")
    assert (answer["kind"], answer["apiVersion"]) == ("PodList", "v1")
    [listed] = [one for one in answer["items"] if one["metadata"]["name"] == "listed"]
    assert listed["metadata"]["uid"] == pod["metadata"]["uid"]
    assert all(one["spec"]["nodeName"] == "node1" for one in answer["items"])
    assert 'kubelet_node_name{node="node1"} 1' in metrics
    assert 'scheduler_pending_pods{queue="gated"} 0' in of_control_plane
    assert 'workqueue_adds_total{name="endpointslice"} ' in of_control_plane
    assert 'kubelet_running_containers{container_state="running"}' in metrics
    line = next(line for line in probes.splitlines() if 'pod="listed"' in line)
    assert 'probe_type="Readiness",result="successful"' in line
    assert float(line.split()[-1]) >= 1


def test_a_nodes_disk_health_and_logs_are_shown(kubectl: Kubectl) -> None:
    node = json.loads(kubectl("get", "--raw", f"{NODE}/stats/summary"))["node"]
    assert 0 < node["fs"]["availableBytes"] < node["fs"]["capacityBytes"]
    assert 0 < node["rlimit"]["curproc"] < node["rlimit"]["maxpid"]
    assert kubectl("get", "--raw", f"{NODE}/healthz/ping") == "ok"
    assert "pods/" in kubectl("get", "--raw", f"{NODE}/logs/")


def test_a_nodes_settings_are_those_of_the_config_map(kubectl: Kubectl) -> None:
    def shown() -> dict[str, object]:
        found: dict[str, object] = json.loads(kubectl("get", "--raw", f"{NODE}/configz"))["kubeletconfig"]
        return found

    assert (shown()["imageGCHighThresholdPercent"], shown()["maxPods"]) == (85, 110)
    (kubectl.manifests / "settings.yaml").write_text(SETTINGS)
    kubectl("apply", "-f", "settings.yaml")
    try:
        until("the node follows", lambda: shown()["imageGCHighThresholdPercent"] == 95)
        until("an event says what is ignored", lambda: "cgroupDriver" in kubectl("get", "events", "-A"))
        (kubectl.manifests / "loud.yaml").write_text(LOUD)
        kubectl("apply", "-f", "loud.yaml")
        kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/loud", "--timeout=120s")
        uid = kubectl("get", "pod", "loud", "-o", "jsonpath={.metadata.uid}")
        files = kubectl("get", "--raw", f"{NODE}/logs/pods/default_loud_{uid}/c/")
        assert re.findall(r">(0\.log\S*)</a>", files) == ["0.log", "0.log.1"]
        assert kubectl("logs", "loud").split()[-1] == "40000"
    finally:
        kubectl("delete", "-f", "settings.yaml")
        kubectl("delete", "pod", "loud", "--ignore-not-found", "--now")
    until("the default is back", lambda: shown()["imageGCHighThresholdPercent"] == 85)
