"""An autoscaler of a real cluster, by the commands of docs/autoscaling.md, with real load."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.kubectl import Kubectl
from tests.cluster.pages import block, inline, typed_for
from tests.cluster.support import ROOT, free_port, new_cluster, until

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

AUTOSCALERS = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"


@pytest.fixture(scope="module")
def kubectl() -> Iterator[Kubectl]:
    with new_cluster() as cluster:
        cluster.up("--nodes", "2", "--api-port", str(free_port()))
        yield Kubectl(cluster)


def status_of(kubectl: Kubectl, name: str) -> dict[str, Any]:
    status: dict[str, Any] = kubectl.cluster.access().call("GET", f"{AUTOSCALERS}/{name}")["status"]
    return status


@contextmanager
def output_of(kubectl: Kubectl, command: str, folder: Path) -> Iterator[Path]:
    """Runs a command of kubectl that does not end by itself; yields the file with its output, and ends it after the
    block."""
    output = folder / "output"
    environment = os.environ | {"KUBECONFIG": str(kubectl.cluster.state / "kubeconfig")}
    with output.open("w") as f:
        process = subprocess.Popen(shlex.split(command), env=environment, stdout=f, stderr=f, stdin=subprocess.DEVNULL)
    try:
        yield output
    finally:
        process.terminate()
        process.wait()


def grown(table: Path) -> list[int]:
    """Returns the numbers of Pods of at least 3 that the table of `kubectl get hpa` has in its column REPLICAS."""
    rows = [line.split() for line in table.read_text().splitlines()]
    return [int(row[-2]) for row in rows if row[:1] == ["server"] and row[-2].isdigit() and int(row[-2]) >= 3]


def test_the_page_s_workload_grows_under_load_and_shrinks_after_it_though_the_control_plane_is_killed(
    kubectl: Kubectl, tmp_path: Path
) -> None:
    lines = block("autoscaling.md", "kubectl scale deployment client --replicas=1").splitlines(keepends=True)
    apply, load, watch, no_load = (line.partition("#")[0].strip() for line in lines)
    typed_for(kubectl.cluster, apply, ROOT)
    kubectl("rollout status deployment/server --timeout=120s")
    until("its use is known", lambda: status_of(kubectl, "server").get("currentMetrics"), limit_s=240)
    with output_of(kubectl, watch, tmp_path) as table:
        typed_for(kubectl.cluster, load, ROOT)
        until("it has grown", lambda: grown(table), limit_s=300)
    kubectl("rollout status deployment/server --timeout=120s")
    describe = inline("autoscaling.md", "kubectl describe").replace("NAME", "server").removeprefix("kubectl ")
    text = "cpu resource utilization (percentage of request) above target"
    until("its event", lambda: text in kubectl(describe))
    kubectl.kill_control_plane()
    typed_for(kubectl.cluster, no_load, ROOT)
    until("it has shrunk", lambda: status_of(kubectl, "server")["desiredReplicas"] == 1, limit_s=360)
    until("the others are gone", lambda: kubectl("get deployment server -o jsonpath={.status.replicas}") == "1")
    until("its event", lambda: "All metrics below target" in kubectl(describe))


def test_the_page_s_command_makes_an_autoscaler(kubectl: Kubectl) -> None:
    kubectl("create deployment plain --image=fairlead/web")
    kubectl("set resources deployment plain --requests=cpu=100m")
    changes = {"NAME": "plain", "--min=1": "--min=2"}
    typed_for(kubectl.cluster, inline("autoscaling.md", "kubectl autoscale"), ROOT, changes)
    until("it holds the bound", lambda: status_of(kubectl, "plain").get("desiredReplicas") == 2)
    kubectl("rollout status deployment/plain --timeout=120s")
    assert kubectl("get deployment plain -o jsonpath={.spec.replicas}") == "2"
