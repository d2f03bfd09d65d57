"""Warnings about pods and pod templates."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.api.core.pod.spec import PodSpec
from fairlead.api.meta.types import ObjectMeta
from fairlead.machinery.values import names

_OLD_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
}
_OLD_VOLUMES = {
    "gitRepo": "deprecated in v1.11",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
}
_OLD_ANNOTATIONS = {
    "seccomp.security.alpha.kubernetes.io/pod": ('non-functional in v1.27+; use the "seccompProfile" field instead'),
    "scheduler.alpha.kubernetes.io/critical-pod": 'non-functional in v1.16+; use the "priorityClassName" field instead',
}


def pod_warnings(meta: ObjectMeta, spec: PodSpec, prefix: str = "") -> Iterator[str]:
    path = f"{prefix}spec"
    for label in spec.nodeSelector:
        if label in _OLD_LABELS:
            yield f"{path}.nodeSelector[{label}]: {_OLD_LABELS[label]}"
    for annotation, text in _OLD_ANNOTATIONS.items():
        if annotation in meta.annotations:
            yield f"{prefix}metadata.annotations[{annotation}]: {text}"
    for i, volume in enumerate(spec.volumes):
        for name, text in _OLD_VOLUMES.items():
            if getattr(volume, name) is not None:
                yield f"{path}.volumes[{i}].{name}: {text}"
    seconds = spec.terminationGracePeriodSeconds
    if seconds is not None and seconds < 0:
        text = "must be >= 0; negative values are invalid and will be treated as 1"
        yield f"{path}.terminationGracePeriodSeconds: {text}"
    for i, container in enumerate(spec.containers):
        yield from _hidden_names([env.name for env in container.env], f"{path}.containers[{i}].env")
        yield from _same_ports(
            [(p.protocol, p.containerPort) for p in container.ports], f"{path}.containers[{i}].ports"
        )
    if not prefix and meta.name and (texts := names.dns1123_label(meta.name)):
        why = "this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended"
        yield f"metadata.name: {why}: [{', '.join(texts)}]"


def _hidden_names(given: list[str], path: str) -> Iterator[str]:
    known = set[str]()
    for i, name in enumerate(given):
        if name in known:
            yield f'{path}[{i}]: hides previous definition of "{name}", which may be dropped when using apply'
        known.add(name)


def _same_ports(given: list[tuple[str, int]], path: str) -> Iterator[str]:
    first: dict[tuple[str, int], int] = {}
    for i, port in enumerate(given):
        if (of := first.setdefault(port, i)) != i:
            yield f"{path}[{i}]: duplicate port definition with {path}[{of}]"
