"""The claims of a pod's volumes."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.volumes.volume import Volume
from fairlead.api.meta.types import ObjectMeta
from fairlead.base.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class PodClaim:
    """A volume of a pod, with the name of its claim in the pod's namespace."""

    volume: str
    claim: str
    is_ephemeral: bool
    """The claim is made for the pod and belongs to it."""
    read_only: bool = False


def claim_of(pod_name: str, volume: Volume) -> PodClaim | None:
    """Returns the claim of a volume; None for a volume without a claim."""
    if volume.persistentVolumeClaim is not None:
        source = volume.persistentVolumeClaim
        return PodClaim(volume.name, source.claimName, is_ephemeral=False, read_only=bool(source.readOnly))
    if volume.ephemeral is not None:
        return PodClaim(volume.name, f"{pod_name}-{volume.name}", is_ephemeral=True)
    return None


def claims_of(pod: Pod) -> Iterator[PodClaim]:
    """Yields the claims of the pod's volumes, in their order."""
    for volume in pod.spec.volumes:
        if (found := claim_of(pod.metadata.name, volume)) is not None:
            yield found


def is_for_pod(pod: Pod, claim: ObjectMeta) -> bool:
    """Returns whether the claim with this metadata was made for the pod: one of an ephemeral volume must be."""
    return any(ref.controller and ref.uid == pod.metadata.uid for ref in claim.ownerReferences)
