"""Decides which claims a pod's ephemeral volumes need. Source of the texts: upstream's ephemeral volume controller."""

from __future__ import annotations

from collections.abc import Callable

from fairlead.api.core.persistentvolumeclaim import PERSISTENT_VOLUME_CLAIM
from fairlead.api.core.persistentvolumeclaim.kind import PersistentVolumeClaim
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.volumes.volume import Volume
from fairlead.api.meta.types import ObjectMeta, OwnerReference
from fairlead.base.keys import key_of
from fairlead.runtime.plan import NOTHING, Create, EventRecord, Plan
from fairlead.storage.podclaims import claim_of, is_for_pod


def reconcile(pod: Pod, claim_at: Callable[[str], PersistentVolumeClaim | None]) -> Plan:
    """Returns the plan for a pod. `claim_at` returns the claim of a name in the pod's namespace."""
    if pod.metadata.deletionTimestamp:
        return NOTHING
    created: list[Create] = []
    events: list[EventRecord] = []
    for volume in pod.spec.volumes:
        found = claim_of(pod.metadata.name, volume)
        if found is None or not found.is_ephemeral:
            continue
        claim = claim_at(found.claim)
        if claim is None:
            created.append(_create(pod, volume, found.claim))
        elif not is_for_pod(pod, claim.metadata):
            name = f"{pod.metadata.namespace}/{found.claim}"
            text = f"PVC {name} was not created for pod {key_of(pod.metadata)} (pod is not owner)"
            events.append(EventRecord(pod, "FailedBinding", f"ephemeral volume {volume.name}: {text}", "Warning"))
    return Plan(create=tuple(created), events=tuple(events))


def _create(pod: Pod, volume: Volume, name: str) -> Create:
    assert volume.ephemeral is not None
    assert volume.ephemeral.volumeClaimTemplate is not None
    template, meta = volume.ephemeral.volumeClaimTemplate, pod.metadata
    owner = OwnerReference(
        apiVersion="v1", kind="Pod", name=meta.name, uid=meta.uid, controller=True, blockOwnerDeletion=True
    )
    claim = PersistentVolumeClaim(
        kind=PERSISTENT_VOLUME_CLAIM.kind,
        apiVersion=PERSISTENT_VOLUME_CLAIM.api_version,
        metadata=ObjectMeta(
            name=name,
            namespace=meta.namespace,
            ownerReferences=[owner],
            annotations=template.metadata.annotations,
            labels=template.metadata.labels,
        ),
        spec=template.spec,
    )
    text = f"ephemeral volume {volume.name}: create PVC {name}: {{error}}"
    return Create(PERSISTENT_VOLUME_CLAIM, claim, failed=EventRecord(pod, "FailedBinding", text, "Warning"))
