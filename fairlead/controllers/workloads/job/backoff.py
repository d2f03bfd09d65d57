"""The wait before a failed pod is replaced: 10 s, doubled by each failure since the last success, at most 10 minutes.

The values are upstream's. The wait is computed from the outcomes of pods and so survives a restart of the controller as
long as the pods exist.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fairlead.api.batch.job.types import Job
from fairlead.api.core.pod.kind import Pod
from fairlead.base.dataclass import dataclass
from fairlead.base.instant import Instant
from fairlead.controllers.workloads.job.pods import finished_at, has_failed, is_tracked

_FIRST_S = 10.0
_LONGEST_S = 600.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one pod."""

    at: Instant
    succeeded: bool


def outcomes_of(job: Job, pods: Iterable[Pod], now: Instant) -> dict[str, Outcome]:
    """Returns the outcomes of ended pods by uid, without those that the controller itself has deleted. A terminating
    pod may have until later; it counts as ended now at the latest."""
    result = {}
    for pod in pods:
        succeeded = pod.status.phase == "Succeeded"
        is_removed = bool(pod.metadata.deletionTimestamp) and not is_tracked(pod)
        if succeeded or (has_failed(job, pod) and not is_removed):
            result[pod.metadata.uid] = Outcome(min(finished_at(pod), now), succeeded)
    return result


def next_creation(outcomes: Mapping[str, Outcome]) -> Instant:
    """Returns the time from which a pod may be created."""
    last_success = max((o.at for o in outcomes.values() if o.succeeded), default=Instant(0.0))
    failures = [o.at for o in outcomes.values() if not o.succeeded and o.at > last_success]
    return Instant(max(failures) + wait_s(len(failures))) if failures else Instant(0.0)


def wait_s(failures: int) -> float:
    """Returns the wait after a number of failures in a row."""
    return float(min(_FIRST_S * 2 ** min(failures - 1, 10), _LONGEST_S)) if failures > 0 else 0.0
