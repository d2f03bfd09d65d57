"""One StatefulSet with its pods, claims and revisions at one moment, and facts about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fairlead.api.apps.controllerrevision.kind import ControllerRevision
from fairlead.api.apps.statefulset.kind import StatefulSet, StatefulSetStatus
from fairlead.api.core.persistentvolumeclaim.kind import PersistentVolumeClaim
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.predicates import is_ready
from fairlead.base.dataclass import dataclass
from fairlead.base.instant import Instant
from fairlead.controllers.workloads.history import HASH_LABEL, template_of
from fairlead.controllers.workloads.podfacts import available_from, is_available
from fairlead.controllers.workloads.statefulset.pods import is_in_range, new_pod, ordinal_of, replicas_of, start_of


@dataclass(frozen=True, slots=True)
class Case:
    """The state that a reconcile decides about."""

    s: StatefulSet
    pods: Mapping[int, Pod]
    """The pods that exist, by ordinal."""
    claims: Mapping[str, PersistentVolumeClaim]
    """The claims of the namespace that exist, by name."""
    current: ControllerRevision
    """The revision of pods that are not updated yet."""
    update: ControllerRevision
    """The revision of the set's template."""
    now: Instant

    @property
    def ordered(self) -> bool:
        return self.s.spec.podManagementPolicy != "Parallel"

    @property
    def partition(self) -> int:
        """Returns the number of pods, from the first on, that keep the current revision."""
        rolling = self.s.spec.updateStrategy.rollingUpdate
        return rolling.partition or 0 if rolling is not None else 0

    @property
    def ordinals(self) -> range:
        return range(start_of(self.s), start_of(self.s) + replicas_of(self.s))

    @property
    def surplus(self) -> list[int]:
        """Returns the ordinals of pods outside of the range, the highest first."""
        return sorted((ordinal for ordinal in self.pods if not is_in_range(self.s, ordinal)), reverse=True)

    def is_running(self, pod: Pod) -> bool:
        """Returns whether the pod is running, ready and, by minReadySeconds, available."""
        ready = pod.status.phase == "Running" and is_ready(pod)
        return ready and is_available(pod, self.s.spec.minReadySeconds, self.now)

    def is_unavailable(self, pod: Pod | None) -> bool:
        if pod is None or pod.metadata.deletionTimestamp:
            return True
        return not is_available(pod, self.s.spec.minReadySeconds, self.now)

    def first_unavailable(self) -> int | None:
        """Returns the ordinal of the first pod that is missing or unavailable; surplus pods come after the others."""
        order = [*self.ordinals, *reversed(self.surplus)]
        return next((ordinal for ordinal in order if self.is_unavailable(self.pods.get(ordinal))), None)

    def made(self, ordinal: int) -> Pod:
        """Returns the pod to create for an ordinal, of the current or of the new revision."""
        strategy = self.s.spec.updateStrategy
        done = self.partition
        if strategy.rollingUpdate is None:
            done = self.s.status.currentReplicas if strategy.type == "RollingUpdate" else 0
        if ordinal < start_of(self.s) + done and self.current is not self.update:
            template = template_of(self.current)
            if template is not None:
                return new_pod(self.s, template, self.current.metadata.name, ordinal)
        return new_pod(self.s, self.s.spec.template, self.update.metadata.name, ordinal)

    def wait(self) -> float | None:
        """Returns the seconds until the next ready pod becomes available."""
        seconds = self.s.spec.minReadySeconds
        waits = [available_from(pod, seconds) - self.now for pod in self.pods.values() if seconds and is_ready(pod)]
        return min((wait for wait in waits if wait > 0), default=None)


def revision_of(pod: Pod) -> str:
    """Returns the name of the revision that the pod was made from."""
    return pod.metadata.labels.get(HASH_LABEL, "")


def numbered(s: StatefulSet, pods: Sequence[Pod]) -> dict[int, Pod]:
    """Returns the pods with names of the set by ordinal."""
    return {ordinal: pod for pod in pods if (ordinal := ordinal_of(s, pod)) is not None}


def status_of(case: Case, deleted: Sequence[Pod]) -> StatefulSetStatus:
    """Returns the status. `deleted`: pods that are deleted for the update; they no longer count as current."""
    pods = list(case.pods.values())
    alive = [pod for pod in pods if not pod.metadata.deletionTimestamp]
    ready = [pod for pod in pods if pod.status.phase == "Running" and is_ready(pod)]
    status = StatefulSetStatus(
        replicas=len(pods),
        readyReplicas=len(ready),
        availableReplicas=sum(is_available(pod, case.s.spec.minReadySeconds, case.now) for pod in ready),
        currentReplicas=sum(
            revision_of(pod) == case.current.metadata.name for pod in alive if all(pod is not gone for gone in deleted)
        ),
        updatedReplicas=sum(revision_of(pod) == case.update.metadata.name for pod in alive),
        currentRevision=case.current.metadata.name,
        updateRevision=case.update.metadata.name,
        observedGeneration=case.s.metadata.generation,
        collisionCount=case.s.status.collisionCount or 0,
        conditions=case.s.status.conditions,
    )
    if _is_complete(case, status):
        status.currentReplicas = status.updatedReplicas
        status.currentRevision = status.updateRevision
    return status


def _is_complete(case: Case, status: StatefulSetStatus) -> bool:
    counts = status.updatedReplicas, status.readyReplicas, status.replicas
    return case.s.spec.updateStrategy.type == "RollingUpdate" and set(counts) == {replicas_of(case.s)}
