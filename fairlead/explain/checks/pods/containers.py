"""The Pods' containers: scheduling, images, crashes, configuration."""

from __future__ import annotations

from fairlead.api.core.pod.predicates import is_ready
from fairlead.base.texts import text
from fairlead.explain.finding import Finding, fault, note, ok
from fairlead.explain.runs import newest_job
from fairlead.explain.snapshot import Snapshot
from fairlead.explain.troubles import trouble
from fairlead.explain.words import pods_of


def find(s: Snapshot) -> Finding | None:
    if not s.selected or _has_ended(s):
        return None
    looked_at = text("containers of {pods}", pods=pods_of(len(s.selected)))
    troubles = [found for pod in s.selected if not is_ready(pod) and (found := trouble(s, pod))]
    if not troubles:
        return ok(looked_at)
    cause, evidence, cure = troubles[0]
    if s.serving:
        return note(
            looked_at,
            text(
                "{pods} of {number} not running: {cause}",
                pods=pods_of(len(troubles)),
                number=len(s.selected),
                cause=cause,
            ),
            *evidence,
            cure=cure,
        )
    return fault(looked_at, cause, *evidence, cure=cure)


def _has_ended(s: Snapshot) -> bool:
    """Returns whether the Pods are those of a Job that has ended: then its own state counts."""
    job = newest_job(s.name, s.runs) if s.kind == "cronjob" else s.run
    return job is not None and job.has_ended
