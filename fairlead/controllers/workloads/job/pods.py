"""Facts about the pods of a Job, and the pods made for it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fairlead.api.batch.job import JOB
from fairlead.api.batch.job.types import Job
from fairlead.api.core.pod.containers.container import Container
from fairlead.api.core.pod.containers.env import EnvVar, EnvVarSource, ObjectFieldSelector
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.core.pod.predicates import condition, is_finished
from fairlead.api.core.pod.spec import PodSpec
from fairlead.api.meta.types import ObjectMeta
from fairlead.base.instant import Instant, parse_time
from fairlead.controllers.ownership import controller_reference
from fairlead.controllers.workloads.job.policies import treatment_of
from fairlead.runtime.plan import Patch

TRACKING = "batch.kubernetes.io/job-tracking"
"""Finalizer of each pod that is not part of the Job's counters yet."""
INDEX = "batch.kubernetes.io/job-completion-index"
FAILURE_COUNT = "batch.kubernetes.io/job-index-failure-count"
IGNORED_COUNT = "batch.kubernetes.io/job-index-ignored-failure-count"
_INDEX_VARIABLE = "JOB_COMPLETION_INDEX"
_LONGEST_PREFIX = 58
"""Characters of a generated name before the suffix that the server adds."""


def is_tracked(pod: Pod) -> bool:
    return TRACKING in pod.metadata.finalizers


def is_indexed(job: Job) -> bool:
    return job.spec.completionMode == "Indexed"


def index_of(job: Job, pod: Pod) -> int | None:
    """Returns the pod's completion index; None if the pod lacks one, or the Job does not have that index."""
    text = pod.metadata.annotations.get(INDEX, "")
    return int(text) if text.isdecimal() and int(text) < (job.spec.completions or 0) else None


def replaces_failed_only(job: Job) -> bool:
    """Returns whether a terminating pod is replaced only after its end."""
    return job.spec.podReplacementPolicy == "Failed" or job.spec.podFailurePolicy is not None


def has_failed(job: Job, pod: Pod) -> bool:
    """Returns whether the pod counts as failed: a deleted pod does, because it may vanish without an end."""
    if pod.status.phase == "Failed":
        return True
    is_deleted = bool(pod.metadata.deletionTimestamp) and pod.status.phase != "Succeeded"
    return is_deleted and not replaces_failed_only(job)


def is_terminating(pod: Pod) -> bool:
    return bool(pod.metadata.deletionTimestamp) and not is_finished(pod)


def finished_at(pod: Pod) -> Instant:
    """Returns when the pod ended: by its containers, its Ready condition, its deletion or its creation, in this
    order."""
    ends = _container_ends(pod)
    if ends is not None:
        return ends
    ready = condition(pod, "Ready")
    if ready is not None and ready.status == "False" and ready.lastTransitionTime:
        return parse_time(ready.lastTransitionTime)
    created = pod.metadata.creationTimestamp
    return deleted_at(pod) or (parse_time(created) if created else Instant(0.0))


def deleted_at(pod: Pod) -> Instant | None:
    """Returns when the deletion of the pod was requested, to the second; None for other pods."""
    meta = pod.metadata
    if not meta.deletionTimestamp:
        return None
    return Instant(parse_time(meta.deletionTimestamp) - (meta.deletionGracePeriodSeconds or 0))


def _container_ends(pod: Pod) -> Instant | None:
    sidecars = {c.name for c in pod.spec.initContainers if c.restartPolicy == "Always"}
    statuses = [*pod.status.containerStatuses, *(s for s in pod.status.initContainerStatuses if s.name in sidecars)]
    ends = [s.state.terminated.finishedAt if s.state and s.state.terminated else None for s in statuses]
    times = [parse_time(end) for end in ends if end]
    return max(times) if times and len(times) == len(statuses) else None


def failures_before(pod: Pod, annotation: str) -> int:
    text = pod.metadata.annotations.get(annotation, "")
    return int(text) if text.isdecimal() else 0


def pod_for(job: Job, index: int | None, replaced: Pod | None) -> Pod:
    """Returns a new pod. `replaced`: the failed pod of the same index whose failures are carried on."""
    template = job.spec.template
    labels, annotations = dict(template.metadata.labels), dict(template.metadata.annotations)
    prefix, spec = f"{job.metadata.name}-", template.spec
    if index is not None:
        labels[INDEX] = annotations[INDEX] = str(index)
        suffix = f"-{index}-"
        prefix = job.metadata.name[: _LONGEST_PREFIX - len(suffix)] + suffix
        spec = _with_index(spec, f"{job.metadata.name}-{index}")
        if job.spec.backoffLimitPerIndex is not None:
            annotations |= _failure_counts(job, replaced)
    meta = ObjectMeta(
        generateName=prefix,
        namespace=job.metadata.namespace,
        labels=labels,
        annotations=annotations,
        finalizers=[*(f for f in template.metadata.finalizers if f != TRACKING), TRACKING],
        ownerReferences=[controller_reference(JOB.api_version, JOB.kind, job.metadata)],
    )
    return Pod(kind=POD.kind, apiVersion=POD.api_version, metadata=meta, spec=spec)


def _failure_counts(job: Job, replaced: Pod | None) -> dict[str, str]:
    counts = {FAILURE_COUNT: 0, IGNORED_COUNT: 0}
    if replaced is not None:
        counts = {name: failures_before(replaced, name) for name in counts}
        counts[FAILURE_COUNT if treatment_of(job, replaced).counts else IGNORED_COUNT] += 1
    return {name: str(count) for name, count in counts.items() if count or name == FAILURE_COUNT}


def _with_index(spec: PodSpec, hostname: str) -> PodSpec:
    return msgspec.structs.replace(
        spec,
        hostname=hostname,
        containers=[_with_variable(c) for c in spec.containers],
        initContainers=[_with_variable(c) for c in spec.initContainers],
    )


def _with_variable(container: Container) -> Container:
    """Returns the container with the index in its environment, unless the template sets the variable."""
    if any(variable.name == _INDEX_VARIABLE for variable in container.env):
        return container
    field = ObjectFieldSelector(fieldPath=f"metadata.labels['{INDEX}']", apiVersion="v1")
    variable = EnvVar(name=_INDEX_VARIABLE, valueFrom=EnvVarSource(fieldRef=field))
    return msgspec.structs.replace(container, env=[*container.env, variable])


def finalizers_patch(pod: Pod, finalizers: Sequence[str]) -> Patch:
    """Returns a write of the pod's finalizers that fails if the pod has changed."""
    meta = pod.metadata
    body = {"uid": meta.uid, "resourceVersion": meta.resourceVersion, "finalizers": list(finalizers)}
    return Patch(POD, meta.name, meta.namespace, {"metadata": body})


def release(pod: Pod) -> Patch:
    """Returns the removal of the tracking finalizer."""
    return finalizers_patch(pod, [name for name in pod.metadata.finalizers if name != TRACKING])
