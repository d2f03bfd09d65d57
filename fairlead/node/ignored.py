"""What a manifest asks for that these nodes do not do: said once a pod, in an event, rather than kept quiet. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.api.container import Container
from fairlead.api.pod import Pod
from fairlead.node.seen import all_containers


def ignored_fields(pod: Pod) -> list[str]:
    """Their paths, as in the manifest."""
    return sorted(set(_of_pod(pod)) | {path for c in all_containers(pod) for path in _of_container(c)})


def _of_pod(pod: Pod) -> Iterator[str]:
    spec = pod.spec
    if spec.hostPID:
        yield "spec.hostPID"
    if spec.hostIPC:
        yield "spec.hostIPC"
    if spec.shareProcessNamespace:
        yield "spec.shareProcessNamespace"
    if spec.runtimeClassName:
        yield "spec.runtimeClassName"
    if spec.securityContext and spec.securityContext.sysctls:
        yield "spec.securityContext.sysctls"


def _of_container(container: Container) -> Iterator[str]:
    name = container.name
    if container.volumeDevices:
        yield f"volumeDevices of container {name}"
    probes = (container.startupProbe, container.readinessProbe, container.livenessProbe)
    if any(probe is not None and probe.httpGet and probe.httpGet.protocol for probe in probes):
        yield f"httpGet.protocol of container {name}"
