"""The pod failure policy and the success policy of a Job."""

from __future__ import annotations

from collections.abc import Iterable, Set

from fairlead.api.batch.job.spec import PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyRule
from fairlead.api.batch.job.types import Job
from fairlead.api.core.pod.containers.containerstatus import ContainerStatus
from fairlead.api.core.pod.kind import Pod
from fairlead.base.dataclass import dataclass
from fairlead.controllers.workloads.job.intervals import parse_indexes


@dataclass(frozen=True, slots=True)
class Treatment:
    """The treatment of a failed pod by the policy."""

    action: str = ""
    """Action of the rule that matches, or ""."""
    message: str = ""
    """Text for the Job's condition if the action is FailJob."""

    @property
    def counts(self) -> bool:
        """Returns whether the failure counts against the limits."""
        return self.action != "Ignore"


def treatment_of(job: Job, pod: Pod) -> Treatment:
    """Returns the treatment of a failed pod: that of the first rule that matches."""
    policy = job.spec.podFailurePolicy
    for number, rule in enumerate(policy.rules if policy else ()):
        reason = _match(rule, pod)
        if reason:
            return Treatment(rule.action, f"{reason} matching {rule.action} rule at index {number}")
    return Treatment()


def _match(rule: PodFailurePolicyRule, pod: Pod) -> str:
    """Returns what the rule has matched, or ""."""
    name = f"{pod.metadata.namespace}/{pod.metadata.name}"
    if rule.onExitCodes is not None:
        for statuses in (pod.status.containerStatuses, pod.status.initContainerStatuses):
            for status in statuses:
                code = _exit_code(status)
                if code and _matches_code(rule.onExitCodes, status.name, code):
                    return f"Container {status.name} for pod {name} failed with exit code {code}"
        return ""
    patterns = {(pattern.type, pattern.status) for pattern in rule.onPodConditions}
    matched = next((c for c in pod.status.conditions if (c.type, c.status) in patterns), None)
    return f"Pod {name} has condition {matched.type}" if matched else ""


def _exit_code(status: ContainerStatus) -> int:
    """Returns the exit code of an ended container; 0, which no rule matches, if it runs."""
    return status.state.terminated.exitCode if status.state and status.state.terminated else 0


def _matches_code(requirement: PodFailurePolicyOnExitCodesRequirement, container: str, code: int) -> bool:
    if requirement.containerName not in (None, container):
        return False
    return (code in requirement.values) == (requirement.operator == "In")


def success_rule(job: Job, succeeded: Set[int]) -> int | None:
    """Returns the number of the first rule of the success policy that is met, or None."""
    policy = job.spec.successPolicy
    if not succeeded:
        return None
    for number, rule in enumerate(policy.rules if policy else ()):
        required: Iterable[int] | None = None
        if rule.succeededIndexes is not None:
            required = parse_indexes(rule.succeededIndexes, job.spec.completions or 0)
            if not required:
                continue
        count = len(succeeded if required is None else succeeded & frozenset(required))
        if rule.succeededCount is not None and count >= rule.succeededCount:
            return number
        if required is not None and count == len(frozenset(required)):
            return number
    return None
