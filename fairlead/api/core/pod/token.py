"""API token, CA certificate and namespace as files in a pod's containers, as upstream's admission adds them."""

from __future__ import annotations

from collections.abc import Iterable

from fairlead.api.core.pod.containers.container import Container, VolumeMount
from fairlead.api.core.pod.containers.env import ObjectFieldSelector
from fairlead.api.core.pod.spec import PodSpec
from fairlead.api.core.pod.types import Pod
from fairlead.api.core.pod.volumes.volume import Volume
from fairlead.api.core.pod.volumes.volume_projected import (
    ConfigMapProjection,
    DownwardAPIProjection,
    DownwardAPIVolumeFile,
    KeyToPath,
    ProjectedVolumeSource,
    ServiceAccountTokenProjection,
    VolumeProjection,
)

TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
# An hour and seven seconds: upstream recognizes its own tokens by the odd number.
_TOKEN_SECONDS = 3607


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
