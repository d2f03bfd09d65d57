"""Jobs and CronJobs, as far as the checks need them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fairlead.api.core.pod.types import Pod
from fairlead.base.dataclass import dataclass, field

RUNS = {"job": "Job", "cronjob": "CronJob"}
"""Kinds by the word of `fairlead why`."""


@dataclass(frozen=True, slots=True)
class Run:
    """A Job or CronJob."""

    kind: str
    name: str
    suspended: bool = False
    selector: Mapping[str, str] = field(default_factory=dict)
    """The pairs of a Job's selector."""
    completions: int = 1
    active: int = 0
    """Pods of a Job that run; Jobs of a CronJob that run."""
    succeeded: int = 0
    failed: int = 0
    backoff_limit: int = 6
    has_ended: bool = False
    """The Job has the condition Complete or Failed."""
    failure: tuple[str, str] | None = None
    """Reason and message of the condition Failed."""
    owner: str = ""
    """The CronJob of a Job."""
    created: str = ""
    schedule: str = ""
    last_scheduled: str = ""
    concurrency: str = ""


def read_run(kind: str, tree: Mapping[str, Any]) -> Run:
    meta, spec, status = tree["metadata"], tree["spec"], tree.get("status", {})
    if kind == "CronJob":
        return Run(
            kind,
            meta["name"],
            bool(spec.get("suspend")),
            active=len(status.get("active") or ()),
            schedule=spec.get("schedule", ""),
            last_scheduled=status.get("lastScheduleTime") or "",
            concurrency=spec.get("concurrencyPolicy", ""),
        )
    held = {one["type"]: one for one in status.get("conditions") or () if one["status"] == "True"}
    failed = held.get("Failed")
    owner = next((one["name"] for one in meta.get("ownerReferences") or () if one["kind"] == "CronJob"), "")
    return Run(
        kind,
        meta["name"],
        bool(spec.get("suspend")),
        spec.get("selector", {}).get("matchLabels", {}),
        spec.get("completions") or 1,
        status.get("active", 0),
        status.get("succeeded", 0),
        status.get("failed", 0),
        spec.get("backoffLimit", 6),
        "Complete" in held or failed is not None,
        (failed.get("reason", ""), failed.get("message", "")) if failed is not None else None,
        owner,
        meta.get("creationTimestamp") or "",
    )


def find_run(kind: str, name: str, runs: Sequence[Run]) -> Run | None:
    return next((one for one in runs if (one.kind, one.name) == (kind, name)), None)


def newest_job(cron_job: str, runs: Sequence[Run]) -> Run | None:
    """Returns the last Job that the CronJob made."""
    jobs = [one for one in runs if one.kind == "Job" and one.owner == cron_job]
    return max(jobs, key=lambda one: (one.created, one.name), default=None)


def pods_of_run(kind: str, name: str, runs: Sequence[Run], pods: Sequence[Pod]) -> Sequence[Pod] | None:
    """Returns the Pods of a Job, or of the newest Job of a CronJob; None if the object does not exist."""
    run = find_run(kind, name, runs)
    if run is None:
        return None
    job = run if kind == "Job" else newest_job(name, runs)
    wanted = job.selector.items() if job is not None else {}.items()
    return [pod for pod in pods if wanted and wanted <= pod.metadata.labels.items()]
