"""Time until the fixtures of `fairlead.testing` are ready: a new cluster, a namespace, a kept cluster, a reset.

`python -m bench.fixture [rounds]`. For scale, published figures of others, which were measured on other machines:

- kind 0.29.0 and k3d 5.8.3, by minikube's benchmark "time to K8s" for v1.36.0
  (https://minikube.sigs.k8s.io/docs/benchmarks/timetok8s/v1.36.0/): seconds until the command returns, and until an
  application runs and its name is answered by DNS.
- envtest (etcd and kube-apiserver, without nodes): controller-runtime allows each of the two 20 s to start
  (`ControlPlaneStartTimeout`); https://github.com/kubernetes-sigs/kubebuilder/issues/1463 reports 11 s for a suite.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable

from fairlead.testing import Cluster

PUBLISHED = (
    ("kind 0.29.0: command, then application", "14.2 s, 33.0 s"),
    ("k3d 5.8.3: command, then application", "12.6 s, 19.9 s"),
    ("minikube 1.36.0: command, then application", "21.1 s, 50.8 s"),
    ("envtest: limit for each of two processes; a suite", "20 s; 11 s"),
)
MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {terminationGracePeriodSeconds: 0, containers: [{name: web, image: fairlead/web}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
"""


def timed(work: Callable[[], object]) -> float:
    """Returns the seconds that the work took."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def application(cluster: Cluster) -> None:
    cluster.apply(MANIFEST)
    cluster.wait("deployment/web")
    cluster.url("web")


def run_round(number: int, times: dict[str, list[float]]) -> None:
    cluster = Cluster(f"bench-{os.getpid()}-{number}", keep=False)
    times["new cluster: nodes Ready"].append(timed(cluster.start))
    try:
        times["  then an application: 3 Pods, a Service"].append(timed(lambda: application(cluster)))
        times["reset with the application"].append(timed(cluster.reset))
        times["reset without changes"].append(timed(cluster.reset))
        times["namespace with its service account"].append(timed(lambda: cluster.create_namespace("ready")))
    finally:
        times["end of the cluster"].append(timed(cluster.stop))


def main(rounds: int = 5) -> None:
    names = (
        "new cluster: nodes Ready",
        "  then an application: 3 Pods, a Service",
        "reset with the application",
        "reset without changes",
        "namespace with its service account",
        "end of the cluster",
    )
    times: dict[str, list[float]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"XDG_STATE_HOME": home, "FAIRLEAD_REGISTRIES": "none", "FAIRLEAD_UPSTREAM": "none"}
        for number in range(rounds):
            run_round(number, times)
    for name, measured in times.items():
        print(f"{name:52} {statistics.median(measured):6.3f} s")
    print("\npublished, on other machines:")
    for name, figure in PUBLISHED:
        print(f"{name:52} {figure}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
