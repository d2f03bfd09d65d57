"""What a new pod gets on top of its defaults: a fresh status, a QoS class, and what upstream's admission adds.

The priority is not added here: it depends on the stored classes (`fairlead.apiserver.admission.priority`).

The service account's token volume is not added here: its name has a random suffix, so whoever has the dice
calls `mount_token`.
"""

from __future__ import annotations

from collections.abc import Iterable

from fairlead.api.core.amounts import total, value
from fairlead.api.core.pod.affinity import Toleration
from fairlead.api.core.pod.container import Container, VolumeMount
from fairlead.api.core.pod.env import ObjectFieldSelector
from fairlead.api.core.pod.spec import PodSpec
from fairlead.api.core.pod.status import PodCondition, PodStatus
from fairlead.api.core.pod.types import Pod
from fairlead.api.core.pod.volume import Volume
from fairlead.api.core.pod.volume_projected import (
    ConfigMapProjection,
    DownwardAPIProjection,
    DownwardAPIVolumeFile,
    KeyToPath,
    ProjectedVolumeSource,
    ServiceAccountTokenProjection,
    VolumeProjection,
)

TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
# Upstream's odd number: an hour, and seven seconds by which its own tokens are told from others.
_TOKEN_SECONDS = 3607
_TOLERATION_SECONDS = 300
_QOS_RESOURCES = ("cpu", "memory")


def prepare_pod(pod: Pod) -> Pod:
    spec = pod.spec
    pod.status = PodStatus(phase="Pending", qosClass=qos_class(spec))
    if spec.schedulingGates:
        text = "Scheduling is blocked due to non-empty scheduling gates"
        gated = PodCondition(type="PodScheduled", status="False", reason="SchedulingGated", message=text)
        pod.status.conditions = [gated]
    spec.serviceAccountName = spec.serviceAccountName or "default"
    spec.serviceAccount = spec.serviceAccountName
    _tolerate_failing_nodes(spec)
    return pod


def carry_over(old: Pod, new: Pod) -> Pod:
    """Gives an update what upstream's admission gives it: the priority it had, and the two default tolerations."""
    if new.spec.priority is None:
        new.spec.priority = old.spec.priority
    if new.spec.preemptionPolicy is None:
        new.spec.preemptionPolicy = old.spec.preemptionPolicy
    _tolerate_failing_nodes(new.spec)
    return new


def class_problem(spec: PodSpec) -> str:
    """Returns why a prepared pod's runtime class is refused; empty if it names none: none exists here."""
    if spec.runtimeClassName is not None:
        return f'pod rejected: RuntimeClass "{spec.runtimeClassName}" not found'
    if spec.overhead:
        return "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
    return ""


def _tolerate_failing_nodes(spec: PodSpec) -> None:
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not any(_tolerates_eviction(t, key) for t in spec.tolerations):
            added = Toleration(key=key, operator="Exists", effect="NoExecute", tolerationSeconds=_TOLERATION_SECONDS)
            spec.tolerations.append(added)


def _tolerates_eviction(toleration: Toleration, key: str) -> bool:
    return toleration.key in ("", key) and toleration.effect in ("", "NoExecute")


def qos_class(spec: PodSpec) -> str:
    """`Guaranteed`, `Burstable` or `BestEffort`, by the requests and limits of its containers."""
    if spec.resources is not None and (spec.resources.requests or spec.resources.limits):
        resources = [spec.resources]
    else:
        resources = [c.resources for c in (*spec.initContainers, *spec.containers)]
    asked = [r for r in resources if _positive(r.requests) or _positive(r.limits)]
    if not asked:
        return "BestEffort"
    limited = all(value(str(r.limits.get(name, 0))) > 0 for r in resources for name in _QOS_RESOURCES)
    same = all(
        total(r.requests.get(name, 0) for r in resources) == total(r.limits.get(name, 0) for r in resources)
        for name in _QOS_RESOURCES
    )
    return "Guaranteed" if limited and same else "Burstable"


def _positive(amounts: dict[str, str | int | float]) -> bool:
    return any(value(str(amounts[name])) > 0 for name in _QOS_RESOURCES if name in amounts)


def mount_token(pod: Pod, *, volume: str) -> None:
    """Mounts the service account's token, the cluster's CA and the namespace, as upstream's admission does."""
    volumes = [v.name for v in pod.spec.volumes]
    unmounted = [c for c in _containers(pod.spec) if all(m.mountPath != TOKEN_PATH for m in c.volumeMounts)]
    if volume in volumes or not unmounted:
        return
    for container in unmounted:
        container.volumeMounts.append(VolumeMount(name=volume, mountPath=TOKEN_PATH, readOnly=True))
    pod.spec.volumes.append(Volume(name=volume, projected=_token_files()))


def _containers(spec: PodSpec) -> Iterable[Container]:
    return (*spec.initContainers, *spec.containers)


def _token_files() -> ProjectedVolumeSource:
    namespace = DownwardAPIVolumeFile(
        path="namespace", fieldRef=ObjectFieldSelector(apiVersion="v1", fieldPath="metadata.namespace")
    )
    return ProjectedVolumeSource(
        defaultMode=0o644,
        sources=[
            VolumeProjection(
                serviceAccountToken=ServiceAccountTokenProjection(path="token", expirationSeconds=_TOKEN_SECONDS)
            ),
            VolumeProjection(
                configMap=ConfigMapProjection(name="kube-root-ca.crt", items=[KeyToPath(key="ca.crt", path="ca.crt")])
            ),
            VolumeProjection(downwardAPI=DownwardAPIProjection(items=[namespace])),
        ],
    )
