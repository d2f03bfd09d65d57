"""Decides from which nodes the volumes of a pod's claims can be reached, and which volumes unbound claims get there.

Source of the rules and texts: upstream's plug-in VolumeBinding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fairlead.api.core.node.kind import Node
from fairlead.api.core.persistentvolume import PERSISTENT_VOLUME
from fairlead.api.core.persistentvolume.types import PersistentVolume
from fairlead.api.core.persistentvolumeclaim import PERSISTENT_VOLUME_CLAIM
from fairlead.api.core.persistentvolumeclaim.kind import PersistentVolumeClaim
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.nodeterms import matches_term
from fairlead.api.core.topology.types import TopologySelectorTerm
from fairlead.api.storage.storageclass import STORAGE_CLASS
from fairlead.api.storage.storageclass.kind import StorageClass
from fairlead.base.dataclass import dataclass, field
from fairlead.base.keys import join_key, key_of
from fairlead.scheduler.cache.nodeinfo import NodeInfo
from fairlead.scheduler.cache.snapshot import Snapshot
from fairlead.scheduler.framework import Rejection, Reservation
from fairlead.scheduler.volumes.reservation import VolumeReservation
from fairlead.storage.binding import waits_for_pod
from fairlead.storage.matching import best_volume, class_of_claim, requested_size
from fairlead.storage.podclaims import PodClaim, claims_of, is_for_pod
from fairlead.storage.wellknown import BIND_COMPLETED, NO_PROVISIONER, SELECTED_NODE

NO_VOLUME = "node(s) didn't find available persistent volumes to bind"
WRONG_NODE = "node(s) didn't match PersistentVolume's node affinity"
VOLUME_GONE = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"
_UNBOUND = "pod has unbound immediate PersistentVolumeClaims"


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of one pod."""

    bound: tuple[PersistentVolumeClaim, ...]
    delayed: tuple[PersistentVolumeClaim, ...]
    """Unbound claims that wait for a pod, the smallest first."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The volumes that the delayed claims of a pod get on one node."""

    bindings: tuple[tuple[PersistentVolume, PersistentVolumeClaim], ...] = ()
    provisions: tuple[PersistentVolumeClaim, ...] = ()


def read_claims(pod: Pod, snapshot: Snapshot) -> Claims | Rejection:
    """Returns the pod's claims, or the problem that keeps the pod from every node."""
    claims, classes = snapshot.objects(PERSISTENT_VOLUME_CLAIM), snapshot.objects(STORAGE_CLASS)
    bound: list[PersistentVolumeClaim] = []
    delayed: list[PersistentVolumeClaim] = []
    immediate = False
    for found in claims_of(pod):
        claim = claims.get(join_key(pod.metadata.namespace, found.claim))
        if problem := _problem(pod, found, claim):
            return Rejection((problem,))
        assert claim is not None
        if claim.spec.volumeName and BIND_COMPLETED in claim.metadata.annotations:
            bound.append(claim)
        elif not claim.spec.volumeName and waits_for_pod(classes.get(class_of_claim(claim))):
            delayed.append(claim)
        else:
            immediate = True
    if immediate:
        return Rejection((_UNBOUND,))
    return Claims(tuple(bound), tuple(sorted(delayed, key=requested_size)))


def _problem(pod: Pod, found: PodClaim, claim: PersistentVolumeClaim | None) -> str:
    name = found.claim
    if claim is None:
        if found.is_ephemeral:
            return f'waiting for ephemeral volume controller to create the persistentvolumeclaim "{name}"'
        return f'persistentvolumeclaim "{name}" not found'
    if claim.status.phase == "Lost":
        return f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume "{claim.spec.volumeName}"'
    if claim.metadata.deletionTimestamp:
        return f'persistentvolumeclaim "{name}" is being deleted'
    if found.is_ephemeral and not is_for_pod(pod, claim.metadata):
        about = f"{pod.metadata.namespace}/{name}"
        return f"PVC {about} was not created for pod {key_of(pod.metadata)} (pod is not owner)"
    return ""


@dataclass(slots=True)
class PodVolumes:
    """The volumes of one pod, for one snapshot."""

    claims: Claims
    snapshot: Snapshot
    _decisions: dict[str, Decision] = field(default_factory=dict)

    @property
    def delayed(self) -> bool:
        return bool(self.claims.delayed)

    def filter(self, info: NodeInfo) -> Rejection | None:
        reasons = [reason for reason in (self._bound_problem(info.node),) if reason]
        if self.claims.delayed:
            decision = self._decide(info.node)
            if decision is None:
                reasons.append(NO_VOLUME)
            else:
                self._decisions[info.name] = decision
        return Rejection(tuple(reasons)) if reasons else None

    def reserve(self, info: NodeInfo) -> Reservation:
        decision = self._decisions[info.name]
        return VolumeReservation(
            node=info.name,
            bindings=decision.bindings,
            provisions=decision.provisions,
            reserved=self.snapshot.reserved_volumes,
        )

    def _bound_problem(self, node: Node) -> str:
        volumes = self.snapshot.objects(PERSISTENT_VOLUME)
        for claim in self.claims.bound:
            volume = volumes.get(claim.spec.volumeName)
            if volume is None:
                return VOLUME_GONE
            if not reaches(node, volume):
                return WRONG_NODE
        return ""

    def _decide(self, node: Node) -> Decision | None:
        """Returns the volumes of the delayed claims on the node; None if a claim cannot have a volume there."""
        reserved = self.snapshot.reserved_volumes
        bindings: list[tuple[PersistentVolume, PersistentVolumeClaim]] = []
        provisions: list[PersistentVolumeClaim] = []
        for claim in self.claims.delayed:
            selected = claim.metadata.annotations.get(SELECTED_NODE)
            if selected is not None and selected != node.metadata.name:
                return None
            volume = None
            if selected is None:
                key = key_of(claim.metadata)
                taken = {name for name, owner in reserved.items() if owner != key}
                excluded = taken | {chosen.metadata.name for chosen, _ in bindings}
                volume = best_volume(
                    claim,
                    self.snapshot.objects(PERSISTENT_VOLUME).values(),
                    reachable=_reaching(node),
                    excluded=excluded,
                )
            if volume is not None:
                bindings.append((volume, claim))
            elif self._can_be_provisioned(claim, node):
                provisions.append(claim)
            else:
                return None
        return Decision(tuple(bindings), tuple(provisions))

    def _can_be_provisioned(self, claim: PersistentVolumeClaim, node: Node) -> bool:
        found: StorageClass | None = self.snapshot.objects(STORAGE_CLASS).get(class_of_claim(claim))
        if found is None or found.provisioner in ("", NO_PROVISIONER):
            return False
        return _in_topologies(found.allowedTopologies, node.metadata.labels)


def reaches(node: Node, volume: PersistentVolume) -> bool:
    """Returns whether the volume can be reached from the node."""
    affinity = volume.spec.nodeAffinity
    if affinity is None or affinity.required is None:
        return True
    return any(matches_term(term, node) for term in affinity.required.nodeSelectorTerms)


def _reaching(node: Node) -> Callable[[PersistentVolume], bool]:
    return lambda volume: reaches(node, volume)


def _in_topologies(terms: Sequence[TopologySelectorTerm], labels: Mapping[str, str]) -> bool:
    return not terms or any(
        all(labels.get(need.key) in need.values for need in term.matchLabelExpressions) for term in terms
    )
