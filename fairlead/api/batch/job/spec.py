"""Desired state of a Job, also as the template inside of a CronJob."""

from typing import Annotated

import msgspec

from fairlead.api.core.pod.spec import PodTemplateSpec
from fairlead.api.meta.types import Int32, Int64, LabelSelector, Record, empty_list
from fairlead.machinery.kinds.kind import Atomic, Doc, SetList


class PodFailurePolicyOnExitCodesRequirement(Record):
    """Condition on the exit codes of the containers of a failed pod."""

    containerName: (
        Annotated[str, Doc("Name of the container whose exit code counts; all containers if absent.")] | None
    ) = None
    operator: Annotated[str, Doc("Relation of the exit code to `values`: In or NotIn; code 0 never matches.")] = (
        msgspec.field(default_factory=str)
    )
    values: Annotated[
        list[Int32], SetList(), Doc("Exit codes in ascending order, at most 255; must not contain 0 for In.")
    ] = msgspec.field(default_factory=empty_list)


class PodFailurePolicyOnPodConditionsPattern(Record):
    """Condition of a failed pod that a rule of a failure policy looks for."""

    type: Annotated[str, Doc("Type of the pod's condition that must be present, such as DisruptionTarget.")] = (
        msgspec.field(default_factory=str)
    )
    status: Annotated[str, Doc("Status that the pod's condition must have: True (default), False or Unknown.")] = (
        msgspec.field(default_factory=str)
    )


class PodFailurePolicyRule(Record):
    """Treatment of failed pods that meet a requirement; the first rule that matches applies."""

    action: Annotated[
        str,
        Doc("Treatment of a pod that matches: FailJob, FailIndex, Ignore (not counted) or Count (counted as usual)."),
    ] = msgspec.field(default_factory=str)
    onExitCodes: (
        Annotated[
            PodFailurePolicyOnExitCodesRequirement,
            Doc("Requirement on exit codes of containers; excludes `onPodConditions`."),
        ]
        | None
    ) = None
    onPodConditions: Annotated[
        list[PodFailurePolicyOnPodConditionsPattern],
        Atomic(),
        Doc("Conditions of which one must be present on the pod, at most 20; excludes `onExitCodes`."),
    ] = []


class PodFailurePolicy(Record):
    """Rules for the treatment of failed pods, beyond counting them against `backoffLimit`."""

    rules: Annotated[
        list[PodFailurePolicyRule],
        Atomic(),
        Doc("Rules in the order of evaluation, at most 20; a pod that matches none is counted as usual."),
    ] = msgspec.field(default_factory=empty_list)


class SuccessPolicyRule(Record):
    """Condition under which an indexed Job has succeeded before all indexes have."""

    succeededCount: (
        Annotated[Int32, Doc("Number of indexes that must succeed, among `succeededIndexes` if both fields are given.")]
        | None
    ) = None
    succeededIndexes: (
        Annotated[str, Doc("Indexes that must succeed, as numbers and ranges such as 1,3-5, at most 64 KiB.")] | None
    ) = None


class SuccessPolicy(Record):
    """Conditions of which one suffices for an indexed Job to succeed."""

    rules: Annotated[
        list[SuccessPolicyRule],
        Atomic(),
        Doc("Rules in the order of evaluation, at most 20; the Job succeeds with the first that is met."),
    ] = msgspec.field(default_factory=empty_list)


class JobSpec(Record):
    """Desired state of a Job: the pod template, the number of pods and the treatment of failures."""

    activeDeadlineSeconds: (
        Annotated[Int64, Doc("Seconds from the start after which the Job fails and its pods end; unlimited if absent.")]
        | None
    ) = None
    backoffLimit: (
        Annotated[Int32, Doc("Number of failed pods after which the Job fails; default 6, unlimited with per index.")]
        | None
    ) = None
    backoffLimitPerIndex: (
        Annotated[Int32, Doc("Number of failed pods after which one index of an indexed Job fails; immutable.")] | None
    ) = None
    completionMode: (
        Annotated[
            str,
            Doc(
                "Meaning of a completion: NonIndexed (default, any pod counts) or Indexed (each pod has an index and "
                "each index must succeed once); immutable."
            ),
        ]
        | None
    ) = None
    completions: (
        Annotated[
            Int32, Doc("Number of pods that must succeed; if absent, the first success completes the Job; default 1.")
        ]
        | None
    ) = None
    managedBy: (
        Annotated[
            str,
            Doc("Name of the controller that acts on the Job, as domain/path; default: the cluster's own; immutable."),
        ]
        | None
    ) = None
    manualSelector: (
        Annotated[bool, Doc("Set to true to write `selector` and the pods' labels by hand; default false.")] | None
    ) = None
    maxFailedIndexes: (
        Annotated[Int32, Doc("Number of failed indexes after which the Job fails; needs `backoffLimitPerIndex`.")]
        | None
    ) = None
    parallelism: Annotated[Int32, Doc("Number of pods that may run at the same time; default 1.")] | None = None
    podFailurePolicy: (
        Annotated[PodFailurePolicy, Doc("Treatment of failed pods by exit code or condition; immutable.")] | None
    ) = None
    podReplacementPolicy: (
        Annotated[
            str,
            Doc(
                "Time at which a replacement pod is created: TerminatingOrFailed (default) or Failed, which waits "
                "until the old pod has ended."
            ),
        ]
        | None
    ) = None
    selector: (
        Annotated[LabelSelector, Atomic(), Doc("Label selector of the Job's pods; generated unless `manualSelector`.")]
        | None
    ) = None
    successPolicy: (
        Annotated[SuccessPolicy, Doc("Conditions under which an indexed Job succeeds early; immutable.")] | None
    ) = None
    suspend: (
        Annotated[bool, Doc("Set to true to delete the Job's running pods and to create none; default false.")] | None
    ) = None
    template: Annotated[
        PodTemplateSpec, Doc("Template of the Job's pods, with restartPolicy Never or OnFailure; immutable.")
    ] = msgspec.field(default_factory=PodTemplateSpec)
    ttlSecondsAfterFinished: (
        Annotated[Int32, Doc("Seconds after its end until the Job is deleted; never deleted if absent.")] | None
    ) = None
