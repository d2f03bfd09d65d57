"""Checks of the spec of a Job, and of the template of Jobs inside of a CronJob.

Source of the rules and their texts: upstream's validation of batch.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import msgspec

from fairlead.api.batch.job.indexes import IndexesError, count_indexes
from fairlead.api.batch.job.spec import (
    JobSpec,
    PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyRule,
    SuccessPolicyRule,
)
from fairlead.api.core.pod.containers.container import Container
from fairlead.api.core.pod.placement.affinity import Affinity
from fairlead.api.core.pod.spec import PodTemplateSpec
from fairlead.api.core.pod.template import template_errors
from fairlead.api.meta.rules import domain_prefixed_path, label_selector, not_negative, too_many
from fairlead.machinery.kinds.decode import to_tree
from fairlead.machinery.values import names
from fairlead.machinery.values.selectors import from_label_selector
from fairlead.machinery.values.status import (
    OMITTED,
    FieldError,
    StatusError,
    duplicate,
    invalid,
    not_supported,
    required,
    too_long,
)

INDEXED, NON_INDEXED = "Indexed", "NonIndexed"
_MANY = 100_000
_FEWER = 10_000
_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_STATUSES = ("False", "True", "Unknown")
_NEEDS_INDEXES = "requires indexed completion mode"


def job_spec_errors(spec: JobSpec, path: str) -> Iterator[FieldError]:
    """Yields errors of a Job's spec. The selector is present because it is generated before."""
    yield from template_spec_errors(spec, path)
    if spec.selector is None:
        yield required(f"{path}.selector")
    else:
        yield from label_selector(spec.selector, f"{path}.selector")
    try:
        finds = spec.selector is not None and from_label_selector(spec.selector).matches(spec.template.metadata.labels)
    except StatusError:
        return
    if not finds:
        text = "`selector` does not match template `labels`"
        yield invalid(f"{path}.template.metadata.labels", spec.template.metadata.labels or None, text)


def template_spec_errors(spec: JobSpec, path: str) -> Iterator[FieldError]:
    """Yields the errors that do not depend on the selector."""
    for name in (
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ):
        yield from not_negative(getattr(spec, name), f"{path}.{name}")
    if spec.maxFailedIndexes is not None and spec.backoffLimitPerIndex is None:
        yield required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified")
    if spec.managedBy is not None:
        yield from domain_prefixed_path(spec.managedBy, f"{path}.managedBy")
        if len(spec.managedBy) > 63:
            yield too_long(f"{path}.managedBy", 63)
    yield from _mode_errors(spec, path)
    yield from _policy_errors(spec, path)
    yield from template_errors(spec.template, f"{path}.template")
    yield from _restart_errors(spec, f"{path}.template.spec.restartPolicy")


def _mode_errors(spec: JobSpec, path: str) -> Iterator[FieldError]:
    mode = spec.completionMode
    if mode not in (None, INDEXED, NON_INDEXED):
        yield not_supported(f"{path}.completionMode", mode, (NON_INDEXED, INDEXED))
    if mode == INDEXED:
        yield from _indexed_errors(spec, path)
    elif mode in (None, NON_INDEXED):
        for name in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if getattr(spec, name) is not None:
                yield invalid(f"{path}.{name}", getattr(spec, name), _NEEDS_INDEXES)


def _indexed_errors(spec: JobSpec, path: str) -> Iterator[FieldError]:
    completions, parallelism, failed = spec.completions, spec.parallelism or 0, spec.maxFailedIndexes
    if completions is None:
        yield required(f"{path}.completions", "when completion mode is Indexed")
    if parallelism > _MANY:
        text = f"must be less than or equal to {_MANY} when completion mode is Indexed"
        yield invalid(f"{path}.parallelism", parallelism, text)
    if completions is not None and failed is not None and failed > completions:
        yield invalid(f"{path}.maxFailedIndexes", failed, "must be less than or equal to completions")
    if failed is not None and failed > _MANY:
        yield invalid(f"{path}.maxFailedIndexes", failed, f"must be less than or equal to {_MANY}")
    if completions is None or completions <= _MANY or spec.backoffLimitPerIndex is None:
        return
    if failed is None:
        yield required(f"{path}.maxFailedIndexes", f"must be specified when completions is above {_MANY}")
    text = (
        f"must be less than or equal to {_FEWER} when completions are above {_MANY} and used with backoff limit per "
        "index"
    )
    if parallelism > _FEWER:
        yield invalid(f"{path}.parallelism", parallelism, text)
    if failed is not None and failed > _FEWER:
        yield invalid(f"{path}.maxFailedIndexes", failed, text)


def _policy_errors(spec: JobSpec, path: str) -> Iterator[FieldError]:
    if spec.podFailurePolicy is not None:
        yield from _failure_policy_errors(spec, spec.podFailurePolicy.rules, f"{path}.podFailurePolicy.rules")
    if spec.successPolicy is not None:
        if spec.completionMode != INDEXED:
            yield invalid(f"{path}.successPolicy", to_tree(spec.successPolicy), _NEEDS_INDEXES)
        else:
            yield from _success_policy_errors(spec, spec.successPolicy.rules, f"{path}.successPolicy.rules")
    replacement = spec.podReplacementPolicy
    if replacement is not None:
        allowed = ("Failed",) if spec.podFailurePolicy is not None else ("Failed", "TerminatingOrFailed")
        if replacement not in allowed:
            yield not_supported(f"{path}.podReplacementPolicy", replacement, allowed)


def _failure_policy_errors(spec: JobSpec, rules: list[PodFailurePolicyRule], path: str) -> Iterator[FieldError]:
    yield from too_many(len(rules), 20, path)
    containers = {container.name for container in (*spec.template.spec.containers, *spec.template.spec.initContainers)}
    for number, rule in enumerate(rules):
        where = f"{path}[{number}]"
        if not rule.action:
            yield required(f"{where}.action", _valid_values(_ACTIONS))
        elif rule.action == "FailIndex" and spec.backoffLimitPerIndex is None:
            yield invalid(f"{where}.action", rule.action, "requires the backoffLimitPerIndex to be set")
        elif rule.action not in _ACTIONS:
            yield not_supported(f"{where}.action", rule.action, _ACTIONS)
        if rule.onExitCodes is not None:
            yield from _exit_code_errors(rule.onExitCodes, containers, f"{where}.onExitCodes")
        yield from _condition_errors(rule, f"{where}.onPodConditions")
        if rule.onExitCodes is not None and rule.onPodConditions:
            text = "specifying both OnExitCodes and OnPodConditions is not supported"
            yield invalid(where, OMITTED, text)
        elif rule.onExitCodes is None and not rule.onPodConditions:
            yield invalid(where, OMITTED, "specifying one of OnExitCodes and OnPodConditions is required")


def _condition_errors(rule: PodFailurePolicyRule, path: str) -> Iterator[FieldError]:
    yield from too_many(len(rule.onPodConditions), 20, path)
    for number, pattern in enumerate(rule.onPodConditions):
        for text in names.qualified_name(pattern.type):
            yield invalid(f"{path}[{number}].type", pattern.type, text)
        if not pattern.status:
            yield required(f"{path}[{number}].status", _valid_values(_STATUSES))
        elif pattern.status not in _STATUSES:
            yield not_supported(f"{path}[{number}].status", pattern.status, _STATUSES)


def _exit_code_errors(
    requirement: PodFailurePolicyOnExitCodesRequirement, containers: Collection[str], path: str
) -> Iterator[FieldError]:
    if not requirement.operator:
        yield required(f"{path}.operator", _valid_values(("In", "NotIn")))
    elif requirement.operator not in ("In", "NotIn"):
        yield not_supported(f"{path}.operator", requirement.operator, ("In", "NotIn"))
    if requirement.containerName is not None and requirement.containerName not in containers:
        text = "must be one of the container or initContainer names in the pod template"
        yield invalid(f"{path}.containerName", requirement.containerName, text)
    if not requirement.values:
        yield invalid(f"{path}.values", requirement.values or None, "at least one value is required")
    yield from too_many(len(requirement.values), 255, f"{path}.values")
    known: set[int] = set()
    for number, value in enumerate(requirement.values):
        if requirement.operator == "In" and value == 0:
            yield invalid(f"{path}.values[{number}]", value, "must not be 0 for the In operator")
        if value in known:
            yield duplicate(f"{path}.values[{number}]", value)
        known.add(value)
    if requirement.values != sorted(requirement.values):
        yield invalid(f"{path}.values", requirement.values, "must be ordered")


def _success_policy_errors(spec: JobSpec, rules: list[SuccessPolicyRule], path: str) -> Iterator[FieldError]:
    if not rules:
        yield required(path, "at least one rules must be specified when the successPolicy is specified")
    yield from too_many(len(rules), 20, path)
    for number, rule in enumerate(rules):
        yield from _success_rule_errors(rule, spec.completions or 0, f"{path}[{number}]")


def _success_rule_errors(rule: SuccessPolicyRule, completions: int, path: str) -> Iterator[FieldError]:
    count, indexes, total = rule.succeededCount, rule.succeededIndexes, 0
    if count is None and indexes is None:
        yield required(path, "at least one of succeededCount or succeededIndexes must be specified")
    if indexes is not None:
        if len(indexes) > 64 * 1024:
            yield too_long(f"{path}.succeededIndexes", 64 * 1024)
        try:
            total = count_indexes(indexes, completions)
        except IndexesError as e:
            yield invalid(f"{path}.succeededIndexes", indexes, f"error parsing succeededIndexes: {e}")
    if count is None:
        return
    where = f"{path}.succeededCount"
    yield from not_negative(count, where)
    if count > completions:
        text = f"must be less than or equal to {completions} (the number of specified completions)"
        yield invalid(where, count, text)
    if indexes is not None and count > total:
        text = f"must be less than or equal to {total} (the number of indexes in the specified succeededIndexes field)"
        yield invalid(where, count, text)


def _restart_errors(spec: JobSpec, path: str) -> Iterator[FieldError]:
    policy = spec.template.spec.restartPolicy
    if policy in ("", "Always", None):
        yield required(path, 'valid values: "OnFailure", "Never"')
    elif policy not in ("OnFailure", "Never"):
        yield not_supported(path, policy, ("OnFailure", "Never"))
    elif spec.podFailurePolicy is not None and policy != "Never":
        yield invalid(path, policy, 'only "Never" is supported when podFailurePolicy is specified')


def _valid_values(values: Collection[str]) -> str:
    """Returns the choices as Go prints a list of strings."""
    return "valid values: [" + " ".join(f'"{value}"' for value in values) + "]"


def job_spec_transition(old: JobSpec, new: JobSpec, path: str, *, suspended_idle: bool) -> Iterator[FieldError]:
    """Yields errors of a changed spec. `suspended_idle`: the old Job is suspended and its pods have ended."""
    if new.completions != old.completions:
        where = f"{path}.completions"
        if new.completionMode != INDEXED:
            yield invalid(where, new.completions, "field is immutable")
        elif new.completions is not None and new.completions != new.parallelism:
            yield invalid(where, new.completions, f"can only be modified in tandem with {path}.parallelism")
    yield from _fixed(old, new, "selector", path)
    yield from _template_transition(old, new, path, suspended_idle=suspended_idle)
    for name in ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"):
        yield from _fixed(old, new, name, path)


def _fixed(old: JobSpec, new: JobSpec, name: str, path: str) -> Iterator[FieldError]:
    if getattr(old, name) != getattr(new, name):
        yield invalid(f"{path}.{name}", to_tree(getattr(new, name)), "field is immutable")


def _template_transition(old: JobSpec, new: JobSpec, path: str, *, suspended_idle: bool) -> Iterator[FieldError]:
    """Yields an error of a changed template. A suspended Job without pods may change how its pods are scheduled and
    the resources of their containers."""
    template = old.template
    if suspended_idle:
        template = _with_scheduling_of(template, new.template)
    if template != new.template:
        where = f"{path}.template.spec" if suspended_idle else f"{path}.template"
        changed = new.template.spec if suspended_idle else new.template
        yield invalid(where, to_tree(changed), "field is immutable")


def _with_scheduling_of(old: PodTemplateSpec, new: PodTemplateSpec) -> PodTemplateSpec:
    """Returns the old template with the new one's labels, annotations, node choice, tolerations and resources."""
    spec = msgspec.structs.replace(
        old.spec,
        affinity=_affinity(old.spec.affinity, new.spec.affinity),
        nodeSelector=new.spec.nodeSelector,
        tolerations=new.spec.tolerations,
        schedulingGates=new.spec.schedulingGates,
        containers=_with_resources_of(old.spec.containers, new.spec.containers),
        initContainers=_with_resources_of(old.spec.initContainers, new.spec.initContainers),
    )
    meta = msgspec.structs.replace(old.metadata, labels=new.metadata.labels, annotations=new.metadata.annotations)
    return msgspec.structs.replace(old, metadata=meta, spec=spec)


def _affinity(old: Affinity | None, new: Affinity | None) -> Affinity | None:
    """Returns the old affinity with the new node affinity."""
    affinity = msgspec.structs.replace(old or Affinity(), nodeAffinity=new.nodeAffinity if new is not None else None)
    return None if new is None and affinity == Affinity() else affinity


def _with_resources_of(old: list[Container], new: list[Container]) -> list[Container]:
    if len(old) != len(new):
        return old
    return [
        msgspec.structs.replace(was, resources=now.resources) if was.name == now.name else was
        for was, now in zip(old, new, strict=True)
    ]
