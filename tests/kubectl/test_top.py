"""`kubectl top` with the real kubectl: figures of nodes, pods and containers."""

from __future__ import annotations

import json

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
    kubectl("wait", "--for=condition=Ready", "pod/busy", timeout_s=90)

    def usage() -> dict[str, int]:
        found = cells(kubectl("top", "pod", "--containers", "-l", "work=hard", "--no-headers"))
        return {name: int(cpu.removesuffix("m")) for _, name, cpu, _ in found}

    def once_busy() -> dict[str, int] | None:
        found = usage()
        return found if found.get("loop", 0) > 100 else None

    found = until("the loop uses a good part of a core", once_busy)
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
    busiest = max(nodes[1:], key=lambda row: int(row[1].removesuffix("m")))
    where = kubectl("get", "pod", "busy", "-o", "jsonpath={.spec.nodeName}")
    assert busiest[0] == where
    assert "NAME" in kubectl("get", "podmetrics")


def test_the_nodes_answer_as_kubelets_do(kubectl: Kubectl) -> None:
    summary = json.loads(kubectl("get", "--raw", "/api/v1/nodes/node1/proxy/stats/summary"))
    assert summary["node"]["nodeName"] == "node1"
    assert summary["node"]["cpu"]["usageCoreNanoSeconds"] > 0
    metrics = kubectl("get", "--raw", "/api/v1/nodes/node1/proxy/metrics/resource")
    assert "# TYPE node_cpu_usage_seconds_total counter" in metrics
