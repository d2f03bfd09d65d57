"""Claims, directories and StatefulSets with data in a real cluster: nothing is lost, whatever ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.kubectl import Kubectl
from tests.cluster.support import free_port, new_cluster, until
from tests.cluster.test_kill import kill_and_wait_for_another

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

SET = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {clusterIP: None, selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web}
spec:
  serviceName: web
  replicas: 2
  selector: {matchLabels: {app: web}}
  persistentVolumeClaimRetentionPolicy: {whenScaled: Delete, whenDeleted: Retain}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      securityContext: {runAsUser: 1000, fsGroup: 2000}
      containers:
      - name: c
        image: busybox
        command: [sh, -c, 'echo "$(hostname) $VERSION" >> /data/starts; sleep 3600']
        env: [{name: VERSION, value: "1"}]
        readinessProbe: {exec: {command: [cat, /data/starts]}, periodSeconds: 1}
        volumeMounts: [{name: data, mountPath: /data, subPath: db}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec:
      accessModes: [ReadWriteOnce]
      resources: {requests: {storage: 1Gi}}
"""

SHARED = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: shared}
spec:
  accessModes: [ReadWriteMany]
  resources: {requests: {storage: 1Gi}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: shared}
spec:
  selector: {matchLabels: {app: shared}}
  template:
    metadata: {labels: {app: shared}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: c
        image: busybox
        command: [sh, -c, 'touch /data/$NODE; sleep 3600']
        env: [{name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]
        volumeMounts: [{name: data, mountPath: /data}]
      volumes: [{name: data, persistentVolumeClaim: {claimName: shared}}]
"""

LOCAL = """
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {{name: local}}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
---
apiVersion: v1
kind: PersistentVolume
metadata: {{name: disk}}
spec:
  capacity: {{storage: 1Gi}}
  accessModes: [ReadWriteOnce]
  storageClassName: local
  local: {{path: "{path}"}}
  nodeAffinity:
    required:
      nodeSelectorTerms:
      - matchExpressions: [{{key: kubernetes.io/hostname, operator: In, values: [node2]}}]
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: local}}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: local
  resources: {{requests: {{storage: 1Gi}}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: local}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: c
    image: busybox
    command: [sh, -c, 'cat /data/there; sleep 3600']
    volumeMounts: [{{name: data, mountPath: /data}}]
  volumes: [{{name: data, persistentVolumeClaim: {{claimName: local}}}}]
"""

CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: data{n}}}
spec:
  accessModes: [ReadWriteOnce]
  resources: {{requests: {{storage: 1Mi}}}}
"""

SCRATCH = """
apiVersion: v1
kind: Pod
metadata: {name: scratch}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - {name: c, image: busybox, command: [sleep, "3600"], volumeMounts: [{name: v, mountPath: /v}]}
  volumes:
  - name: v
    ephemeral:
      volumeClaimTemplate:
        spec:
          accessModes: [ReadWriteOnce]
          resources: {requests: {storage: 1Mi}}
"""

UNBOUND = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: never}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: ""
  resources: {requests: {storage: 1Mi}}
---
apiVersion: v1
kind: Pod
metadata: {name: never}
spec:
  containers: [{name: c, image: busybox, volumeMounts: [{name: v, mountPath: /v}]}]
  volumes: [{name: v, persistentVolumeClaim: {claimName: never}}]
"""


@pytest.fixture(params=["root", "user"])
def alone(request: pytest.FixtureRequest) -> Iterator[Kubectl]:
    """A cluster for one test."""
    with new_cluster(request.param) as cluster:
        cluster.up("--nodes", "3", "--api-port", str(free_port()))
        yield Kubectl(cluster)


@pytest.fixture(scope="module")
def kubectl() -> Iterator[Kubectl]:
    """An ordinary user's cluster for several tests, each of which deletes its claims."""
    with new_cluster("user") as cluster:
        cluster.up("--nodes", "3", "--api-port", str(free_port()))
        yield Kubectl(cluster)


def directories(kubectl: Kubectl) -> list[Path]:
    folder = kubectl.cluster.state / "volumes"
    return sorted(folder.iterdir()) if folder.is_dir() else []


def starts(kubectl: Kubectl, pod: str) -> str:
    """Returns what the runs of the pod have written."""
    [directory] = [path for path in directories(kubectl) if path.name.endswith(f"_default_data-{pod}")]
    return (directory / "db/starts").read_text()


def test_the_data_of_a_set_outlive_pods_rollouts_the_cluster_and_kills(alone: Kubectl) -> None:
    kubectl = alone
    kubectl("apply -f -", SET)
    assert "roll out complete" in kubectl("rollout status sts/web --timeout=120s")
    names = {path.name.partition("_")[2] for path in directories(kubectl)}
    assert names == {"default_data-web-0", "default_data-web-1"}
    assert starts(kubectl, "web-0") == "web-0 1\n"
    kubectl("delete pod web-0")
    until("web-0 again", lambda: starts(kubectl, "web-0") == "web-0 1\nweb-0 1\n")
    kubectl("set env sts/web VERSION=2")
    kubectl("rollout status sts/web --timeout=120s")
    until("web-0 anew", lambda: starts(kubectl, "web-0") == "web-0 1\nweb-0 1\nweb-0 2\n")
    for component in ("control-plane", "agent-node1", "agent-node2", "agent-node3"):
        kill_and_wait_for_another(kubectl.cluster, component)
    assert kubectl.cluster.fairlead("down").returncode == 0
    kubectl.cluster.up()
    until("web-0 after the start", lambda: starts(kubectl, "web-0").endswith("web-0 2\nweb-0 2\n"))
    kubectl("rollout status sts/web --timeout=120s")
    kubectl("scale sts/web --replicas=1")
    until("the directory of web-1 is gone", lambda: len(directories(kubectl)) == 1)
    kubectl("delete sts web")
    until("no pod", lambda: kubectl.pods("web") == [])
    assert kubectl("get pvc -o jsonpath={.items[*].status.phase}") == "Bound"
    done = kubectl.cluster.fairlead("down", "--purge")
    assert "removed 1 volume with 0.0 MB of data" in done.stdout


def test_pods_of_all_nodes_share_a_directory(kubectl: Kubectl) -> None:
    kubectl("apply -f -", SHARED)
    kubectl("rollout status ds/shared --timeout=120s")
    [directory] = directories(kubectl)
    until("a file of each node", lambda: {p.name for p in directory.iterdir()} == {"node1", "node2", "node3"})
    kubectl("delete pvc shared --wait=false")
    assert "Terminating" in kubectl("get pvc shared --no-headers")
    kubectl("delete ds shared")
    until("no directory", lambda: directories(kubectl) == [])
    until("no volume", lambda: kubectl("get pv -o name") == "")


def test_a_pod_goes_where_its_local_volume_is(kubectl: Kubectl) -> None:
    path = kubectl.cluster.home / "disk"
    path.mkdir()
    path.chmod(0o755)
    (path / "there").write_text("data\n")
    kubectl("apply -f -", LOCAL.format(path=path))
    kubectl("wait --for=condition=Ready pod/local --timeout=120s")
    assert kubectl("get pod local -o jsonpath={.spec.nodeName}") == "node2"
    until("the file", lambda: kubectl("logs local") == "data\n")
    kubectl("delete pod,pvc local")
    until("the release", lambda: kubectl("get pv disk -o jsonpath={.status.phase}") == "Released")
    assert (path / "there").read_text() == "data\n"
    kubectl("delete pv disk")
    kubectl("delete sc local")


def test_an_ephemeral_volume_goes_with_its_pod(kubectl: Kubectl) -> None:
    kubectl("apply -f -", SCRATCH)
    kubectl("wait --for=condition=Ready pod/scratch --timeout=120s")
    [directory] = directories(kubectl)
    assert directory.name.endswith("_default_scratch-v")
    kubectl("delete pod scratch")
    until("no claim", lambda: kubectl("get pvc -o name") == "")
    until("no directory", lambda: directories(kubectl) == [])


def test_a_pod_whose_claim_is_not_bound_says_so(kubectl: Kubectl) -> None:
    kubectl("apply -f -", UNBOUND)
    text = "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims."
    until("the event", lambda: text in kubectl("get events --field-selector reason=FailedScheduling"))
    reason = "no persistent volumes available for this claim and no storage class is set"
    until("the claim's event", lambda: reason in kubectl("describe pvc never"))
    kubectl("delete pod,pvc never")


def test_kills_of_the_control_plane_lose_neither_claims_nor_directories(kubectl: Kubectl) -> None:
    count = 60
    cluster = kubectl.cluster
    for start in range(0, count, 10):
        kubectl("create --validate=false -f -", "---".join(CLAIM.format(n=start + n) for n in range(10)))
        # While the ten claims are provisioned and bound.
        os.kill(cluster.component("control-plane")["pid"], signal.SIGKILL)
        until("the API", lambda: cluster.access().call("GET", "/api/v1/namespaces/default/pods"))
    phases = "get pvc -o jsonpath={.items[*].status.phase}"
    until("all bound", lambda: kubectl(phases).split() == ["Bound"] * count)
    assert len(directories(kubectl)) == count
    volumes = kubectl("get pvc -o jsonpath={.items[*].spec.volumeName}").split()
    assert sorted(volumes) == sorted(kubectl("get pv -o jsonpath={.items[*].metadata.name}").split())
    for directory in directories(kubectl):
        (directory / "file").write_text("data")
    kubectl("delete pvc --all --wait=false")
    os.kill(cluster.component("control-plane")["pid"], signal.SIGKILL)
    until("no directory", lambda: directories(kubectl) == [])
    until("no volume", lambda: kubectl("get pv -o name") == "")
