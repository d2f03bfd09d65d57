"""Jobs and CronJobs: has the Job made its Pods, and have they succeeded?"""

from __future__ import annotations

from fairlead.base.texts import text
from fairlead.explain.finding import Finding, fault, note, ok, unknown
from fairlead.explain.runs import Run, newest_job
from fairlead.explain.snapshot import Snapshot
from fairlead.explain.troubles import trouble


def find_schedule(s: Snapshot) -> Finding | None:
    """Reports a CronJob that makes no Jobs."""
    run = s.run
    if run is None or run.kind != "CronJob":
        return None
    looked_at = text("schedule {schedule}", schedule=run.schedule)
    if run.suspended:
        cure = s.kubectl(f'patch cronjob {run.name} -p \'{{"spec":{{"suspend":false}}}}\'')
        return fault(looked_at, text("the CronJob is suspended, so it makes no Jobs"), cure=cure)
    trial = s.kubectl(f"create job {run.name}-now --from cronjob/{run.name}")
    if not run.last_scheduled:
        cause = text("no time of the schedule {schedule} has come yet", schedule=run.schedule)
        return note(looked_at, cause, cure=trial)
    if run.active and run.concurrency == "Forbid":
        cause = text("its Job still runs, and concurrencyPolicy Forbid makes no other one until it ends")
        return note(looked_at, cause, cure=s.kubectl("get jobs"))
    return ok(text("{looked_at}: last run at {time}", looked_at=looked_at, time=run.last_scheduled))


def find(s: Snapshot) -> Finding | None:
    """Reports the state of the Job, or of the newest Job of the CronJob."""
    run = s.run
    job = newest_job(run.name, s.runs) if run is not None and run.kind == "CronJob" else run
    if job is None:
        return None
    looked_at = text("Job {name}", name=job.name)
    if job.failure is not None:
        return _failed(s, job)
    if job.suspended:
        cure = s.kubectl(f'patch job {job.name} -p \'{{"spec":{{"suspend":false}}}}\'')
        return fault(looked_at, text("Job {name} is suspended, so it has no Pods", name=job.name), cure=cure)
    done = text("{succeeded} of {completions} succeeded", succeeded=job.succeeded, completions=job.completions)
    if job.has_ended:
        return ok(text("{looked_at}: {done}", looked_at=looked_at, done=done))
    if not s.chosen and not job.active:
        return unknown(
            looked_at, text("its controller has made no Pod yet"), cure=s.kubectl(f"describe job {job.name}")
        )
    if job.failed:
        cause = text(
            "{failed} Pods of Job {name} have failed, and it is tried again up to {limit} times",
            failed=job.failed,
            name=job.name,
            limit=job.backoff_limit,
        )
        return note(looked_at, cause, cure=s.kubectl(f"logs job/{job.name} --all-pods"))
    return ok(text("{looked_at}: {done}, {active} running", looked_at=looked_at, done=done, active=job.active))


def _failed(s: Snapshot, job: Run) -> Finding:
    reason, message = job.failure or ("", "")
    looked_at = text("Job {name}", name=job.name)
    stated = f"{reason}: {message}"
    troubles = [found for pod in s.chosen or () if (found := trouble(s, pod))]
    if not troubles:
        return fault(
            looked_at,
            text("Job {name} has failed: {reason}: {message}", name=job.name, reason=reason, message=message),
            cure=s.kubectl(f"describe job {job.name}"),
        )
    cause, evidence, cure = troubles[0]
    return fault(
        looked_at,
        text("Job {name} has failed ({reason}): {cause}", name=job.name, reason=reason, cause=cause),
        *evidence,
        stated,
        cure=cure,
    )
