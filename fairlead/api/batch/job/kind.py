"""The Job kind: runs pods until a number of them has succeeded."""

from collections.abc import Iterator

from fairlead.api.batch.job.defaults import NAME_LABELS, UID_LABELS, default_job_spec, generate_selector
from fairlead.api.batch.job.rules import INDEXED, job_spec_errors, job_spec_transition
from fairlead.api.batch.job.spec import JobSpec
from fairlead.api.batch.job.status import JobStatus, is_true
from fairlead.api.batch.job.status_rules import status_errors, status_transition
from fairlead.api.batch.job.types import Job
from fairlead.api.core.pod.template import TEMPLATE, pod_warnings
from fairlead.api.meta.columns import AGE, NAME
from fairlead.base.instant import Instant, parse_time, render_age
from fairlead.machinery.kinds.decode import to_tree
from fairlead.machinery.kinds.kind import Column, Strategy
from fairlead.machinery.values import names
from fairlead.machinery.values.selectors import from_label_selector
from fairlead.machinery.values.status import FieldError, StatusError, invalid, required


def _default(job: Job) -> Job:
    if not job.metadata.labels:
        job.metadata.labels = dict(job.spec.template.metadata.labels)
    default_job_spec(job.spec)
    return job


def _prepare_create(job: Job) -> Job:
    if not job.spec.manualSelector:
        generate_selector(job.metadata, job.spec)
    job.status = JobStatus()
    return job


def _rules(job: Job) -> Iterator[FieldError]:
    if not job.spec.manualSelector and job.spec.selector is not None:
        yield from _generated_errors(job)
    yield from job_spec_errors(job.spec, "spec")
    if job.spec.completionMode == INDEXED and (job.spec.completions or 0) > 0:
        hostname = f"{job.metadata.name}-{(job.spec.completions or 0) - 1}"
        if names.dns1123_label(hostname):
            text = f"will not able to create pod with invalid DNS label: {hostname}"
            yield invalid("metadata.name", job.metadata.name, text)
    yield from status_errors(job.status)


def _generated_errors(job: Job) -> Iterator[FieldError]:
    """Yields an error for each generated label or selector that the client has set differently."""
    meta, given = job.metadata, job.spec.template.metadata.labels
    values = dict.fromkeys(UID_LABELS, meta.uid) | dict.fromkeys(NAME_LABELS, meta.name)
    if not meta.uid:
        yield required("metadata.uid")
    for name in (UID_LABELS[0], NAME_LABELS[0], UID_LABELS[1], NAME_LABELS[1]):
        path = f"spec.template.metadata.labels[{name}]"
        if name not in given:
            yield required(path, f"must be '{values[name]}'")
        elif given[name] != values[name]:
            yield invalid(path, given, f"must be '{values[name]}'")
    try:
        finds = from_label_selector(job.spec.selector).matches(values)
    except StatusError:
        return
    if not finds:
        yield invalid("spec.selector", to_tree(job.spec.selector), "`selector` not auto-generated")


def _transition(old: Job, new: Job) -> Iterator[FieldError]:
    idle = old.status.active == 0 and (old.status.startTime is None or is_true(old.status, "Suspended"))
    yield from job_spec_transition(old.spec, new.spec, "spec", suspended_idle=bool(old.spec.suspend) and idle)
    yield from status_transition(old, new)


def _warnings(job: Job) -> Iterator[str]:
    yield from name_warnings(job.metadata.name)
    yield from job_warnings(job.spec, "spec")


def name_warnings(name: str) -> Iterator[str]:
    """Yields a warning if pods' host names cannot have the name as their prefix."""
    if problems := names.dns1123_label(name):
        yield (
            "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS "
            f"label is recommended: [{' '.join(problems)}]"
        )


def job_warnings(spec: JobSpec, path: str) -> Iterator[str]:
    if spec.completionMode == INDEXED and (spec.completions or 0) > 100_000 and (spec.parallelism or 0) > 10_000:
        yield (
            f"{path}: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than "
            "10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail"
        )
    yield from pod_warnings(spec.template.metadata, spec.template.spec, f"{path}.template.")


def _status(job: Job, _: Instant) -> str:
    for type in ("Complete", "Failed"):
        if is_true(job.status, type):
            return type
    if job.metadata.deletionTimestamp:
        return "Terminating"
    return next((t for t in ("Suspended", "FailureTarget", "SuccessCriteriaMet") if is_true(job.status, t)), "Running")


def _completions(job: Job, _: Instant) -> str:
    spec, succeeded = job.spec, job.status.succeeded
    if spec.completions is not None:
        return f"{succeeded}/{spec.completions}"
    parallelism = spec.parallelism or 0
    return f"{succeeded}/1 of {parallelism}" if parallelism > 1 else f"{succeeded}/1"


def _duration(job: Job, now: Instant) -> str:
    start, end = job.status.startTime, job.status.completionTime
    if not start:
        return ""
    return render_age((parse_time(end) if end else now) - parse_time(start))


STRATEGY: Strategy[Job] = Strategy(
    type=Job,
    columns=(
        NAME,
        Column("Status", _status, doc="State of the Job: its last condition, or Running."),
        Column("Completions", _completions, doc="Number of succeeded pods and number of pods that must succeed."),
        Column("Duration", _duration, doc="Time from the start of the Job to its completion, or until now."),
        AGE,
        *TEMPLATE,
    ),
    default=_default,
    prepare_create=_prepare_create,
    rules=_rules,
    transition=_transition,
    warnings=_warnings,
    fields={"status.successful": lambda job: str(job.status.succeeded)},
    orphans_dependents=True,
)
