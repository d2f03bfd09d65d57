"""The ResourceQuota kind: limits of the number of objects and of the resources of a namespace.

Source of the rules and their texts: upstream's validation of ResourceQuota.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import msgspec

from fairlead.api.core.amounts import Amount, canonicalize, value
from fairlead.api.core.resourcenames import amount_errors, is_of_quota, is_whole, quota_name_errors
from fairlead.api.meta.columns import AGE, NAME
from fairlead.api.meta.types import Object, Record, Resources
from fairlead.base.instant import Instant
from fairlead.machinery.kinds.checks import IMMUTABLE_TEXT
from fairlead.machinery.kinds.kind import Atomic, Column, Doc, Strategy
from fairlead.machinery.values.status import FieldError, invalid, required


class ScopedResourceSelectorRequirement(Record):
    """Condition on the objects that a quota counts: a scope, an operator and values."""

    scopeName: Annotated[
        str,
        Doc(
            "Name of the scope: Terminating, NotTerminating, BestEffort, NotBestEffort, PriorityClass, "
            "CrossNamespacePodAffinity or VolumeAttributesClass."
        ),
    ] = msgspec.field(default_factory=str)
    operator: Annotated[
        str, Doc("Relation of the object's value in the scope to `values`: In, NotIn, Exists or DoesNotExist.")
    ] = msgspec.field(default_factory=str)
    values: Annotated[
        list[str],
        Atomic(),
        Doc("Values to compare with; required for In and NotIn, forbidden for Exists and DoesNotExist."),
    ] = []


class ScopeSelector(Record):
    """Choice of the objects that a quota counts; all requirements must be met."""

    matchExpressions: Annotated[
        list[ScopedResourceSelectorRequirement], Atomic(), Doc("Requirements on the counted objects; all must be met.")
    ] = []


class ResourceQuotaSpec(Record):
    """Limits of a quota and the choice of the objects that count towards them."""

    hard: Annotated[
        Resources, Doc("Greatest permitted total of each resource, by resource name such as pods or requests.cpu.")
    ] = {}
    scopeSelector: (
        Annotated[
            ScopeSelector,
            Atomic(),
            Doc("Choice of the counted objects by scope, operator and values; applies in addition to `scopes`."),
        ]
        | None
    ) = None
    scopes: Annotated[
        list[str], Atomic(), Doc("Scopes that an object must be in to be counted; empty counts all; immutable.")
    ] = []


class ResourceQuotaStatus(Record):
    """Limits that are enforced, and the present use of each resource."""

    hard: Annotated[Resources, Doc("Limits that are enforced at present, by name of the resource.")] = {}
    used: Annotated[Resources, Doc("Present total of each limited resource in the namespace.")] = {}


class ResourceQuota(Object):
    """Limits the number of objects and the resources that a namespace may use."""

    spec: Annotated[ResourceQuotaSpec, Doc("Desired limits of the quota and the objects that count towards them.")] = (
        msgspec.field(default_factory=ResourceQuotaSpec)
    )
    status: Annotated[
        ResourceQuotaStatus, Doc("Enforced limits of the quota and their present use; written by the system.")
    ] = msgspec.field(default_factory=ResourceQuotaStatus)


_PODS = frozenset({"pods"})
_COMPUTE = _PODS | {"cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"}
_CLAIMS = frozenset({"persistentvolumeclaims", "requests.storage"})
_COUNTED_BY = {
    "BestEffort": _PODS,
    "CrossNamespacePodAffinity": _COMPUTE,
    "NotBestEffort": _COMPUTE,
    "NotTerminating": _COMPUTE,
    "PriorityClass": _COMPUTE,
    "Terminating": _COMPUTE,
    "VolumeAttributesClass": _CLAIMS,
}
"""The resources that a quota with the scope may limit."""
_WITHOUT_VALUES = frozenset(_COUNTED_BY) - {"PriorityClass", "VolumeAttributesClass"}
_CONFLICTS = ({"BestEffort", "NotBestEffort"}, {"NotTerminating", "Terminating"})
_ONLY_EXISTS = (
    "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
    "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
)


def _default(quota: ResourceQuota) -> ResourceQuota:
    for amounts in (quota.spec.hard, quota.status.hard, quota.status.used):
        canonicalize(amounts)
    return quota


def _prepare_create(quota: ResourceQuota) -> ResourceQuota:
    quota.status = ResourceQuotaStatus()
    return quota


def _rules(quota: ResourceQuota) -> Iterator[FieldError]:
    spec, status = quota.spec, quota.status
    yield from _amounts_errors(spec.hard, "spec.hard")
    yield from _scope_errors(spec)
    if spec.scopeSelector is not None:
        yield from _selector_errors(spec, spec.scopeSelector)
    yield from _amounts_errors(status.hard, "status.hard")
    yield from _amounts_errors(status.used, "status.used")


def _amounts_errors(amounts: Mapping[str, Amount], path: str) -> Iterator[FieldError]:
    for name, amount in sorted(amounts.items()):
        yield from quota_name_errors(name, f"{path}[{name}]")
        yield from amount_errors(amount, f"{path}[{name}]", whole=is_whole(name))


def _scope_errors(spec: ResourceQuotaSpec) -> Iterator[FieldError]:
    path = "spec.scopes"
    for scope in spec.scopes:
        if scope not in _COUNTED_BY:
            yield invalid(path, spec.scopes, "unsupported scope")
        for _ in _uncounted(scope, spec):
            yield invalid(path, spec.scopes, "unsupported scope applied to resource")
    yield from _conflicts(set(spec.scopes), spec, path)


def _uncounted(scope: str, spec: ResourceQuotaSpec) -> Iterator[str]:
    """Yields the limited resources that objects in the scope do not have."""
    counted = _COUNTED_BY.get(scope)
    if counted is not None:
        yield from (name for name in sorted(spec.hard) if is_of_quota(name) and name not in counted)


def _conflicts(scopes: set[str], spec: ResourceQuotaSpec, path: str) -> Iterator[FieldError]:
    for pair in _CONFLICTS:
        if pair <= scopes:
            yield invalid(path, spec.scopes or None, "conflicting scopes")


def _selector_errors(spec: ResourceQuotaSpec, selector: ScopeSelector) -> Iterator[FieldError]:
    path = "spec.scopeSelector.matchExpressions"
    for requirement in selector.matchExpressions:
        if requirement.scopeName not in _COUNTED_BY:
            yield invalid(f"{path}.scopeName", requirement.scopeName, "unsupported scope")
        for _ in _uncounted(requirement.scopeName, spec):
            yield invalid(path, _go_tree(selector), "unsupported scope applied to resource")
        yield from _requirement_errors(requirement, path)
    yield from _conflicts({requirement.scopeName for requirement in selector.matchExpressions}, spec, path)


def _requirement_errors(requirement: ScopedResourceSelectorRequirement, path: str) -> Iterator[FieldError]:
    operator = requirement.operator
    if requirement.scopeName in _WITHOUT_VALUES and operator != "Exists":
        yield invalid(f"{path}.operator", operator, _ONLY_EXISTS)
    if operator in ("In", "NotIn"):
        if not requirement.values:
            text = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
            yield required(f"{path}.values", text)
    elif operator in ("Exists", "DoesNotExist"):
        if requirement.values:
            text = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
            yield invalid(f"{path}.values", requirement.values, text)
    else:
        yield invalid(f"{path}.operator", operator, "not a valid selector operator")


def _go_tree(selector: ScopeSelector) -> dict[str, Any]:
    """Returns the selector as upstream prints it, with the names of Go's fields."""
    expressions = selector.matchExpressions
    return {
        "MatchExpressions": [
            {"ScopeName": one.scopeName, "Operator": one.operator, "Values": one.values or None} for one in expressions
        ]
    }


def _transition(old: ResourceQuota, new: ResourceQuota) -> Iterator[FieldError]:
    if set(old.spec.scopes) != set(new.spec.scopes):
        yield invalid("spec.scopes", new.spec.scopes or None, IMMUTABLE_TEXT)


def _warnings(quota: ResourceQuota) -> Iterator[str]:
    hard = quota.spec.hard
    for name in ("cpu", "memory", "storage", "ephemeral-storage"):
        request = f"requests.{name}"
        if request not in hard and name in ("cpu", "memory"):
            request = name
        limit = f"limits.{name}"
        if request in hard and limit in hard and value(str(hard[request])) > value(str(hard[limit])):
            yield f"ResourceQuota {request} ({hard[request]}) should be less than {limit} ({hard[limit]})"


def _use(quota: ResourceQuota, *, limits: bool) -> str:
    status = quota.status
    shown = (name for name in sorted(status.hard) if name.startswith("limits.") is limits)
    return ", ".join(f"{name}: {status.used.get(name, 0)}/{status.hard[name]}" for name in shown)


def _request(quota: ResourceQuota, _: Instant) -> str:
    return _use(quota, limits=False)


def _limit(quota: ResourceQuota, _: Instant) -> str:
    return _use(quota, limits=True)


STRATEGY: Strategy[ResourceQuota] = Strategy(
    type=ResourceQuota,
    columns=(
        NAME,
        Column("Request", _request, doc="Use and limit of each counted or requested resource of the namespace."),
        Column("Limit", _limit, doc="Use and limit of the resources that limits of containers count towards."),
        AGE,
    ),
    default=_default,
    prepare_create=_prepare_create,
    rules=_rules,
    transition=_transition,
    warnings=_warnings,
)
