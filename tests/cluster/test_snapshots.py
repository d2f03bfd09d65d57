"""Reset and snapshots of a real cluster."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.guide import typed
from tests.cluster.kubectl import Kubectl
from tests.cluster.support import Cluster, free_node_port, new_cluster, until

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

APP = """
apiVersion: v1
kind: Namespace
metadata: {{name: shop}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: shop}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 300
      containers:
      - name: web
        image: busybox
        command: [sh, -c]
        args:
        - trap '' TERM; touch /disk/$HOSTNAME;
          while read at _ </proc/uptime; do echo $at >> /data/log; sleep 0.01; done
        volumeMounts:
        - {{name: data, mountPath: /data}}
        - {{name: fast, mountPath: /fast}}
        - {{name: disk, mountPath: /disk}}
      volumes:
      - {{name: data, emptyDir: {{}}}}
      - {{name: fast, emptyDir: {{medium: Memory}}}}
      - {{name: disk, persistentVolumeClaim: {{claimName: disk}}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: disk, namespace: shop}}
spec: {{accessModes: [ReadWriteMany], resources: {{requests: {{storage: 1Gi}}}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: shop}}
spec:
  type: NodePort
  clusterIP: 10.96.44.44
  selector: {{app: web}}
  ports: [{{port: 80, targetPort: 8080, nodePort: {port}}}]
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: widgets.example.com}}
spec:
  group: example.com
  scope: Namespaced
  names: {{plural: widgets, kind: Widget}}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}
"""
WIDGET = """
apiVersion: example.com/v1
kind: Widget
metadata: {name: w, namespace: shop, finalizers: [example.com/never]}
"""


@pytest.fixture(scope="module", params=["root", "user"])
def kubectl(request: pytest.FixtureRequest) -> Iterator[Kubectl]:
    with new_cluster(request.param) as cluster:
        cluster.up("--nodes", "2", "--no-kubeconfig")
        yield Kubectl(cluster)


def deploy(kubectl: Kubectl, port: int) -> None:
    kubectl("apply -f -", APP.format(port=port))
    kubectl("rollout status deployment/web -n shop --timeout=120s")
    kubectl("wait crd/widgets.example.com --for=condition=Established --timeout=120s")
    kubectl("apply -f -", WIDGET)


def names(kubectl: Kubectl, what: str) -> set[str]:
    return set(kubectl(f"get {what} -A -o name").split())


def fairlead(cluster: Cluster, command: str, *words: str) -> str:
    done = cluster.fairlead(command, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def log_lines(kubectl: Kubectl, pod: str) -> list[str]:
    return kubectl(f"exec -n shop {pod} -- cat /data/log").split()


def test_after_a_reset_the_cluster_is_as_it_was_when_it_was_new(kubectl: Kubectl) -> None:
    cluster, port = kubectl.cluster, free_node_port()
    until("DNS runs", lambda: "1/1" in kubectl("get deployments -n kube-system"))
    kinds = "namespaces,services,deployments,clusterroles,crds,pv,sc,configmaps,secrets,nodes,priorityclasses"
    started = names(kubectl, kinds)
    until("nothing changes", lambda: "nothing had changed" in fairlead(cluster, "reset"))
    before = names(kubectl, kinds)
    assert started <= before  # else a start adds objects that `initial_objects` does not know
    deploy(kubectl, port)
    kubectl("cordon node1")
    kubectl("label namespace default a=b")
    kubectl("scale deployment/fairlead-dns -n kube-system --replicas=0")
    fairlead(cluster, "reset")
    assert names(kubectl, kinds) == before
    assert "shop" not in kubectl("get events -A")
    assert "SchedulingDisabled" not in kubectl("get nodes")
    assert '"a"' not in kubectl("get namespace default -o jsonpath={.metadata.labels}")
    until("DNS runs", lambda: "1/1" in kubectl("get deployments -n kube-system"))
    for node in ("node1", "node2"):
        assert not [p for p in (cluster.state / "nodes" / node / "pods").iterdir() if p.name.startswith("shop")]
    assert list((cluster.state / "volumes").iterdir()) == []
    deploy(kubectl, port)  # addresses, ports and names are free
    fairlead(cluster, "reset")


def test_a_restored_snapshot_has_the_objects_and_volumes_of_one_moment(kubectl: Kubectl) -> None:
    cluster = kubectl.cluster
    deploy(kubectl, free_node_port())
    pods = names(kubectl, "pods -l app=web")
    pod = sorted(pods)[0]
    until("the volume is written", lambda: len(log_lines(kubectl, pod)) > 5)
    saved = fairlead(cluster, "snapshot", "save", "one")
    ended = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert 'saved snapshot "one"' in saved
    described = json.loads(fairlead(cluster, "snapshot", "list", "-o", "json"))
    assert [one["name"] for one in described] == ["one"]
    later = len(log_lines(kubectl, pod))
    until("the Pods go on", lambda: len(log_lines(kubectl, pod)) > later)
    kubectl("create configmap later -n shop")
    kubectl("delete deployment web -n shop --wait=false")
    with watched_states(cluster) as states:
        fairlead(cluster, "snapshot", "restore", "one")
        kubectl("rollout status deployment/web -n shop --timeout=120s")
        until("the Pods are started again", lambda: all("1" in restarts(kubectl, name) for name in pods))
    kinds = [set(state) for state in states if state]
    assert {"running"} in kinds
    assert {"terminated"} not in kinds, "the restart shows no failure"
    assert len(kubectl(f"exec -n shop {pod} -- ls /disk").split()) == 2
    assert "later" not in kubectl("get configmaps -n shop")
    assert "w" in kubectl("get widgets -n shop")
    assert names(kubectl, "pods -l app=web") == pods
    kubectl(f"wait -n shop {pod} --for=condition=Ready --timeout=120s")
    until("the Pod is started again", lambda: "1" in restarts(kubectl, pod))
    times = [float(line) for line in log_lines(kubectl, pod)]
    restarted = times.index(next(at for at in times if at > ended))
    assert restarted > 5
    assert times[restarted] - times[restarted - 1] > 0.2  # what was written after the snapshot is gone
    assert " /fast tmpfs " in kubectl(f"exec -n shop {pod} -- cat /proc/mounts")
    fairlead(cluster, "snapshot", "delete", "one")
    assert "no snapshots" in fairlead(cluster, "snapshot", "list")
    fairlead(cluster, "reset")


@contextmanager
def watched_states(cluster: Cluster) -> Iterator[list[dict[str, Any]]]:
    """Yields the list of the states of the Pods' containers, which is complete after the block."""
    revision = cluster.access().call("GET", "/api/v1/namespaces/shop/pods")["metadata"]["resourceVersion"]
    states: list[dict[str, Any]] = []
    yield states
    path = f"/api/v1/namespaces/shop/pods?watch=1&resourceVersion={revision}&timeoutSeconds=1"
    for line in Kubectl(cluster).run(["get", "--raw", path]).splitlines():
        pod = json.loads(line)["object"]
        states += [status["state"] for status in pod["status"].get("containerStatuses", ())]


def restarts(kubectl: Kubectl, pod: str) -> str:
    return kubectl(f"get -n shop {pod} -o jsonpath={{.status.containerStatuses[0].restartCount}}")


def test_a_snapshot_that_does_not_exist_is_named(kubectl: Kubectl) -> None:
    for words in (("restore", "none"), ("delete", "none")):
        done = kubectl.cluster.fairlead("snapshot", *words)
        assert done.returncode == 1
        typed_again = 'fairlead: there is no snapshot "none"; `.* -m fairlead.cmd.main snapshot list` shows all\n'
        assert re.fullmatch(typed_again, done.stderr)


def test_if_the_control_plane_dies_while_pods_are_stopped_its_successor_continues_them(kubectl: Kubectl) -> None:
    cluster = kubectl.cluster
    deploy(kubectl, free_node_port())
    pod = sorted(names(kubectl, "pods -l app=web"))[0]
    inside = pods_processes(cluster)
    assert inside
    record = cluster.state / "paused.json"
    control = cluster.component("control-plane")["pid"]
    for pid in inside:
        with suppress(ProcessLookupError):  # some of them are short commands
            os.kill(pid, signal.SIGSTOP)
    record.write_text(json.dumps([[in_sandbox(pid), start(pid)] for pid in inside]))
    os.kill(control, signal.SIGKILL)
    until("the processes go on", lambda: all(state(pid) not in "Tt" for pid in inside))
    until("the record is deleted", lambda: not record.exists())
    before = len(log_lines(kubectl, pod))
    until("the Pod goes on", lambda: len(log_lines(kubectl, pod)) > before)
    fairlead(cluster, "reset")


def pods_processes(cluster: Cluster) -> list[int]:
    """Returns the first processes of Pods by their pids on the host: they are in a namespace below the sandbox's."""
    return [pid for pid in cluster.processes() if depth(pid) > 2 and namespace_pids(pid)[-1] == "1"]


def depth(pid: int) -> int:
    return len(namespace_pids(pid))


def namespace_pids(pid: int) -> list[str]:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):  # it has ended
        return []
    return next(line for line in text.splitlines() if line.startswith("NSpid:")).split()[1:]


def in_sandbox(pid: int) -> int:
    return int(namespace_pids(pid)[1])


def fields(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def state(pid: int) -> str:
    return fields(pid)[0]


def start(pid: int) -> int:
    return int(fields(pid)[19])


def test_every_snippet_of_the_page_works() -> None:
    printed = typed("snapshots.md", "user")
    assert 'cluster "default" is as it was when it was new' in printed
    assert 'deleted snapshot "before"' in printed
