"""Defaults of Jobs, and the selector that the server generates."""

from __future__ import annotations

from fairlead.api.batch.job.spec import JobSpec
from fairlead.api.core.pod.template import default_pod_spec
from fairlead.api.meta.types import LabelSelector, ObjectMeta

UID_LABELS = ("controller-uid", "batch.kubernetes.io/controller-uid")
NAME_LABELS = ("job-name", "batch.kubernetes.io/job-name")
"""Labels of a Job's pods, by the name without a domain (kept for old clients) and by the present name."""
_UNLIMITED = 2**31 - 1


def default_template_spec(spec: JobSpec) -> None:
    """Fills in what upstream sets in the template of Jobs of a CronJob: the pod's defaults only."""
    if spec.podFailurePolicy is not None:
        for rule in spec.podFailurePolicy.rules:
            for pattern in rule.onPodConditions:
                pattern.status = pattern.status or "True"
    default_pod_spec(spec.template.spec)


def default_job_spec(spec: JobSpec) -> None:
    if spec.completions is None and spec.parallelism is None:
        spec.completions = 1
    if spec.parallelism is None:
        spec.parallelism = 1
    if spec.backoffLimit is None:
        spec.backoffLimit = 6 if spec.backoffLimitPerIndex is None else _UNLIMITED
    if spec.completionMode is None:
        spec.completionMode = "NonIndexed"
    if spec.suspend is None:
        spec.suspend = False
    if spec.podReplacementPolicy is None:
        spec.podReplacementPolicy = "TerminatingOrFailed" if spec.podFailurePolicy is None else "Failed"
    if spec.manualSelector is None:
        spec.manualSelector = False
    default_template_spec(spec)


def generate_selector(meta: ObjectMeta, spec: JobSpec) -> None:
    """Adds labels with the Job's name and uid to the template, and a selector by the uid. Keeps what is given."""
    labels = spec.template.metadata.labels
    for names, value in ((NAME_LABELS, meta.name), (UID_LABELS, meta.uid)):
        for name in names:
            labels.setdefault(name, value)
    if spec.selector is None:
        spec.selector = LabelSelector()
    spec.selector.matchLabels.setdefault(UID_LABELS[1], meta.uid)
