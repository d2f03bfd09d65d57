"""An autoscaler of a real cluster: the example of the documentation, with real load."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.support import ROOT, free_port, new_cluster, until
from tests.cluster.test_sets import Kubectl

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


def test_a_workload_grows_under_load_and_shrinks_after_it_though_the_control_plane_is_killed(kubectl: Kubectl) -> None:
    kubectl("apply -f -", (ROOT / "examples/workloads/autoscaling.yaml").read_text())
    kubectl("rollout status deployment/server --timeout=120s")
    until("its use is known", lambda: status_of(kubectl, "server").get("currentMetrics"), limit_s=240)
    kubectl("scale deployment client --replicas=1")
    until("it has grown", lambda: status_of(kubectl, "server")["desiredReplicas"] >= 3, limit_s=300)
    kubectl("rollout status deployment/server --timeout=120s")
    text = "cpu resource utilization (percentage of request) above target"
    until("its event", lambda: text in kubectl("describe hpa server"))
    kubectl.kill_control_plane()
    kubectl("scale deployment client --replicas=0")
    until("it has shrunk", lambda: status_of(kubectl, "server")["desiredReplicas"] == 1, limit_s=360)
    until("the others are gone", lambda: kubectl("get deployment server -o jsonpath={.status.replicas}") == "1")
    until("its event", lambda: "All metrics below target" in kubectl("describe hpa server"))


def test_kubectl_makes_an_autoscaler(kubectl: Kubectl) -> None:
    kubectl("create deployment plain --image=fairlead/web")
    kubectl("set resources deployment plain --requests=cpu=100m")
    kubectl("autoscale deployment plain --min=2 --max=3 --cpu-percent=70")
    until("it holds the bound", lambda: status_of(kubectl, "plain").get("desiredReplicas") == 2)
    kubectl("rollout status deployment/plain --timeout=120s")
    assert kubectl("get deployment plain -o jsonpath={.spec.replicas}") == "2"
