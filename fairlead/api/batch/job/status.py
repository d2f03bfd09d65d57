"""Observed state of a Job."""

from typing import Annotated

from fairlead.api.meta.types import BY_TYPE, Int32, Record, Time
from fairlead.machinery.kinds.kind import Doc, SetList


class JobCondition(Record):
    """Observation about a Job, such as that it has completed or failed."""

    type: Annotated[
        str, Doc("Type of the condition: Complete, Failed, Suspended, FailureTarget or SuccessCriteriaMet.")
    ] = ""
    lastProbeTime: Annotated[Time, Doc("Time at which the condition was last checked.")] | None = None
    lastTransitionTime: Annotated[Time, Doc("Time at which the status of the condition last changed.")] | None = None
    message: Annotated[str, Doc("Human-readable details about the last transition of the condition.")] = ""
    reason: Annotated[str, Doc("Reason of the last transition as one CamelCase word, for programs.")] = ""
    status: Annotated[str, Doc("Status of the condition: True, False or Unknown.")] = ""


class UncountedTerminatedPods(Record):
    """Pods that have ended and are not yet part of the Job's counters."""

    failed: Annotated[list[str], SetList(), Doc("UIDs of failed pods that are not yet counted.")] = []
    succeeded: Annotated[list[str], SetList(), Doc("UIDs of succeeded pods that are not yet counted.")] = []


class JobStatus(Record):
    """Most recently observed state of a Job: its pod counts, times and conditions."""

    active: Annotated[Int32, Doc("Number of pods that are pending or running and do not terminate.")] = 0
    completedIndexes: Annotated[str, Doc("Indexes that have succeeded, as numbers and ranges such as 1,3-5.")] = ""
    completionTime: Annotated[Time, Doc("Time at which the Job completed; absent for a failed Job.")] | None = None
    conditions: Annotated[
        list[JobCondition], BY_TYPE, Doc("Most recent observations of the Job; Complete or Failed ends the Job.")
    ] = []
    failed: Annotated[Int32, Doc("Number of pods that reached the phase Failed; only grows.")] = 0
    failedIndexes: (
        Annotated[str, Doc("Indexes that have failed for good, as numbers and ranges; needs backoffLimitPerIndex.")]
        | None
    ) = None
    ready: Annotated[Int32, Doc("Number of active pods whose Ready condition is True.")] | None = None
    startTime: (
        Annotated[Time, Doc("Time at which the controller began to act; reset when the Job is resumed.")] | None
    ) = None
    succeeded: Annotated[Int32, Doc("Number of pods that reached the phase Succeeded; only grows.")] = 0
    terminating: Annotated[Int32, Doc("Number of pods that terminate and have not ended yet.")] | None = None
    uncountedTerminatedPods: (
        Annotated[UncountedTerminatedPods, Doc("Pods that have ended and whose count is not recorded yet.")] | None
    ) = None


def is_true(status: JobStatus, type: str) -> bool:
    """Returns whether the Job has the condition with status True."""
    return any(condition.type == type and condition.status == "True" for condition in status.conditions)
