"""Owner references of claims, by which `persistentVolumeClaimRetentionPolicy` deletes them.

A claim that must go with its set is owned by the set, one that must go with a pod that is scaled down by the pod;
garbage collection does the rest. References of a former set or pod with the same name stay as they are: what they mean
is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.api.apps.statefulset import STATEFUL_SET
from fairlead.api.apps.statefulset.kind import StatefulSet
from fairlead.api.core.persistentvolumeclaim.kind import PersistentVolumeClaim
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.meta.types import OwnerReference
from fairlead.controllers.ownership import controller_reference


def is_stale(s: StatefulSet, claim: PersistentVolumeClaim, pod_name: str, pod_uid: str) -> bool:
    """Returns whether the claim belongs to a former pod of the name, and is about to be deleted with it."""
    if not _deletes_scaled(s):
        return False
    return any(_is(ref, POD.api_version, POD.kind, pod_name) and ref.uid != pod_uid for ref in _owners(claim))


def corrected(s: StatefulSet, claim: PersistentVolumeClaim, pod: Pod, *, in_range: bool) -> list[OwnerReference] | None:
    """Returns the owner references that the claim should have; None if it has them, or must not be touched."""
    of_set = [ref for ref in _owners(claim) if _is(ref, STATEFUL_SET.api_version, STATEFUL_SET.kind, s.metadata.name)]
    of_pod = [ref for ref in _owners(claim) if _is(ref, POD.api_version, POD.kind, pod.metadata.name)]
    if any(ref.uid != s.metadata.uid for ref in of_set) or any(ref.uid != pod.metadata.uid for ref in of_pod):
        return None
    others = [ref for ref in _owners(claim) if ref not in of_set and ref not in of_pod]
    if conflicting(s, claim, pod):
        return others if of_set or of_pod else None
    wanted = _wanted(s, pod, in_range=in_range)
    present = {(ref.uid, bool(ref.controller)) for ref in (*of_set, *of_pod)}
    if present == {(ref.uid, True) for ref in wanted}:
        return None
    return [*others, *wanted]


def conflicting(s: StatefulSet, claim: PersistentVolumeClaim, pod: Pod) -> bool:
    """Returns whether another controller manages the claim, so that the policy cannot apply."""
    if not _deletes_scaled(s) and not _deletes_with_set(s):
        return False
    return any(ref.controller and ref.uid not in (s.metadata.uid, pod.metadata.uid) for ref in _owners(claim))


def _wanted(s: StatefulSet, pod: Pod, *, in_range: bool) -> list[OwnerReference]:
    if _deletes_scaled(s) and not in_range:
        return [controller_reference(POD.api_version, POD.kind, pod.metadata)]
    if _deletes_with_set(s):
        return [controller_reference(STATEFUL_SET.api_version, STATEFUL_SET.kind, s.metadata)]
    return []


def _deletes_scaled(s: StatefulSet) -> bool:
    policy = s.spec.persistentVolumeClaimRetentionPolicy
    return policy is not None and policy.whenScaled == "Delete"


def _deletes_with_set(s: StatefulSet) -> bool:
    policy = s.spec.persistentVolumeClaimRetentionPolicy
    return policy is not None and policy.whenDeleted == "Delete"


def _owners(claim: PersistentVolumeClaim) -> Sequence[OwnerReference]:
    return claim.metadata.ownerReferences


def _is(ref: OwnerReference, api_version: str, kind: str, name: str) -> bool:
    return (ref.apiVersion, ref.kind, ref.name) == (api_version, kind, name)
