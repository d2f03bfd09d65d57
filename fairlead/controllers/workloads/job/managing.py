"""Decides which pods of a Job to create and which to remove."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fairlead.api.core.pod.kind import Pod
from fairlead.base.dataclass import dataclass
from fairlead.base.instant import Instant
from fairlead.controllers.workloads.job.backoff import Outcome, next_creation, wait_s
from fairlead.controllers.workloads.job.case import Case, failures_of
from fairlead.controllers.workloads.job.pods import finished_at, index_of, is_tracked, replaces_failed_only
from fairlead.controllers.workloads.ranking import pods_to_delete

_BURST = 500
"""Greatest number of pods to create or to remove in one reconcile, as upstream."""


@dataclass(frozen=True, slots=True)
class Change:
    """Pods to create, by index (None for a Job without indexes), and pods to remove."""

    create: tuple[int | None, ...] = ()
    remove: tuple[Pod, ...] = ()
    not_before: Instant | None = None
    """The time at which the next pod may be created."""


def change_of(case: Case, outcomes: Mapping[str, Outcome]) -> Change:
    """Returns the next change. Removal comes before creation."""
    target = _target(case)
    remove = _surplus(case, max(0, len(case.active) - target))
    if remove or case.suspended:
        return Change(remove=tuple(remove[:_BURST]))
    waiting = len(case.terminating) if replaces_failed_only(case.job) else 0
    missing = min(target - waiting - len(case.active), _BURST)
    if missing <= 0:
        return Change()
    if case.per_index:
        return _by_index(case, missing)
    due = next_creation(outcomes)
    if due > case.now:
        return Change(not_before=due)
    return Change(create=tuple(_pending(case, missing)) if case.indexed else (None,) * missing)


def _target(case: Case) -> int:
    """Returns the number of pods that should be active."""
    spec, active = case.job.spec, len(case.active)
    parallelism = 1 if spec.parallelism is None else spec.parallelism
    if case.suspended:
        return 0
    if spec.completions is None:  # a work queue: the first success ends the creation of pods
        return active if case.succeeded else parallelism
    return max(0, min(parallelism, spec.completions - case.succeeded))


def _surplus(case: Case, at_least: int) -> list[Pod]:
    """Returns the active pods to remove."""
    remove = _invalid(case) if case.indexed and not case.suspended else []
    gone = {pod.metadata.uid for pod in remove}
    left = [pod for pod in case.active if pod.metadata.uid not in gone]
    return [*remove, *_chosen(left, max(0, at_least - len(remove)))]


def _chosen(pods: Sequence[Pod], count: int) -> list[Pod]:
    """Returns the pods to remove. Those whose removal has begun, with the loss of the finalizer, come first."""
    begun = [pod for pod in pods if not is_tracked(pod)][:count]
    rest = [pod for pod in pods if is_tracked(pod)]
    return [*begun, *pods_to_delete(rest, count - len(begun), related=())]


def _invalid(case: Case) -> list[Pod]:
    """Returns active pods without a valid index, and all but one of each index."""
    groups: dict[int | None, list[Pod]] = {}
    for pod in case.active:
        groups.setdefault(index_of(case.job, pod), []).append(pod)
    remove = groups.pop(None, [])
    for pods in groups.values():
        remove += _chosen(pods, len(pods) - 1)
    return remove


def _pending(case: Case, count: int) -> list[int]:
    """Returns the first indexes without a pod and without an end."""
    pods = [*case.active, *(case.terminating if replaces_failed_only(case.job) else ())]
    done = case.succeeded_indexes | case.failed_indexes | {index_of(case.job, pod) for pod in pods}
    result: list[int] = []
    for index in range(case.job.spec.completions or 0):
        if len(result) == count:
            break
        if index not in done:
            result.append(index)
    return result


def _by_index(case: Case, count: int) -> Change:
    """Returns the indexes whose own wait is over, and the end of the shortest other wait."""
    pending = _pending(case, count)
    due = {index: _index_due(case.awaiting_replacement.get(index)) for index in pending}
    ready = tuple(index for index in pending if due[index] <= case.now)
    later: Sequence[Instant] = [at for at in due.values() if at > case.now]
    return Change(create=ready, not_before=min(later, default=None))


def _index_due(failed: Pod | None) -> Instant:
    return Instant(0.0) if failed is None else Instant(finished_at(failed) + wait_s(failures_of(failed) + 1))
