"""The pods and claims of a StatefulSet: names, labels, host names and volumes by ordinal."""

from __future__ import annotations

import re

import msgspec

from fairlead.api.apps.statefulset import STATEFUL_SET
from fairlead.api.apps.statefulset.kind import StatefulSet
from fairlead.api.core.persistentvolumeclaim.kind import PersistentVolumeClaim
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.core.pod.spec import PodTemplateSpec
from fairlead.api.core.pod.volumes.volume import PersistentVolumeClaimVolumeSource, Volume
from fairlead.api.meta.types import ObjectMeta
from fairlead.controllers.ownership import controller_reference
from fairlead.controllers.workloads.history import HASH_LABEL

NAME_LABEL = "statefulset.kubernetes.io/pod-name"
INDEX_LABEL = "apps.kubernetes.io/pod-index"
_NUMBERED = re.compile(r"(.*)-([0-9]+)")


def start_of(s: StatefulSet) -> int:
    """Returns the ordinal of the first pod."""
    return s.spec.ordinals.start if s.spec.ordinals is not None else 0


def replicas_of(s: StatefulSet) -> int:
    return 1 if s.spec.replicas is None else s.spec.replicas


def pod_name(s: StatefulSet, ordinal: int) -> str:
    return f"{s.metadata.name}-{ordinal}"


def ordinal_of(s: StatefulSet, pod: Pod) -> int | None:
    """Returns the pod's ordinal; None if its name is not one of the set's."""
    match = _NUMBERED.fullmatch(pod.metadata.name)
    if match is None or match[1] != s.metadata.name or pod_name(s, int(match[2])) != pod.metadata.name:
        return None
    return int(match[2])


def is_in_range(s: StatefulSet, ordinal: int) -> bool:
    return start_of(s) <= ordinal < start_of(s) + replicas_of(s)


def new_pod(s: StatefulSet, template: PodTemplateSpec, revision: str, ordinal: int) -> Pod:
    """Returns the pod of an ordinal, made from one revision's template."""
    name = pod_name(s, ordinal)
    labels = template.metadata.labels | identity_labels(name, ordinal) | {HASH_LABEL: revision}
    meta = ObjectMeta(
        name=name,
        generateName=f"{s.metadata.name}-",
        namespace=s.metadata.namespace,
        labels=labels,
        annotations=template.metadata.annotations,
        finalizers=template.metadata.finalizers,
        ownerReferences=[controller_reference(STATEFUL_SET.api_version, STATEFUL_SET.kind, s.metadata)],
    )
    spec = msgspec.structs.replace(
        template.spec, hostname=name, subdomain=s.spec.serviceName, volumes=_volumes(s, template, ordinal)
    )
    return Pod(kind=POD.kind, apiVersion=POD.api_version, metadata=meta, spec=spec)


def identity_labels(name: str, ordinal: int) -> dict[str, str]:
    """Returns the labels by which Services and users select one pod."""
    return {NAME_LABEL: name, INDEX_LABEL: str(ordinal)}


def new_claims(s: StatefulSet, ordinal: int) -> list[PersistentVolumeClaim]:
    """Returns the claims of a pod, in the order of their templates."""
    selected = s.spec.selector.matchLabels if s.spec.selector else {}
    claims = []
    for template in s.spec.volumeClaimTemplates:
        meta = msgspec.structs.replace(
            template.metadata,
            name=claim_name(s, template.metadata.name, ordinal),
            namespace=s.metadata.namespace,
            labels=template.metadata.labels | selected,
        )
        claims.append(msgspec.structs.replace(template, metadata=meta))
    return claims


def claim_name(s: StatefulSet, template: str, ordinal: int) -> str:
    return f"{template}-{s.metadata.name}-{ordinal}"


def _volumes(s: StatefulSet, template: PodTemplateSpec, ordinal: int) -> list[Volume]:
    """Returns the volumes of the claims, and those of the template that have other names."""
    names = [claim.metadata.name for claim in s.spec.volumeClaimTemplates]
    claimed = [
        Volume(
            name=name, persistentVolumeClaim=PersistentVolumeClaimVolumeSource(claimName=claim_name(s, name, ordinal))
        )
        for name in names
    ]
    return [*claimed, *(volume for volume in template.spec.volumes if volume.name not in names)]
