"""Checks of flow schemas. Source of the texts: upstream's validation of `flowcontrol.apiserver.k8s.io`."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.api.flowcontrol.flowschema.types import (
    FlowSchema,
    FlowSchemaCondition,
    FlowSchemaSpec,
    NonResourcePolicyRule,
    PolicyRulesWithSubjects,
    ResourcePolicyRule,
    ServiceAccountSubject,
    Subject,
)
from fairlead.machinery.kinds.decode import to_tree
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, duplicate, forbidden, invalid, not_supported, required

EXEMPT = "exempt"
_LAST_PRECEDENCE = 10_000
_METHODS = ("ByNamespace", "ByUser")
_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch")
_FIELDS = {"ServiceAccount": "serviceAccount", "User": "user", "Group": "group"}
"""The field of a subject by the subject's kind, in the order of the checks."""
_NAMESPACE_TEXT = "each member of this list must be '*' or a DNS-1123 label; "


def spec_errors(name: str, spec: FlowSchemaSpec) -> Iterator[FieldError]:
    yield from _precedence_errors(name, spec.matchingPrecedence)
    method = spec.distinguisherMethod
    if method is not None and method.type not in _METHODS:
        yield not_supported("spec.distinguisherMethod.type", to_tree(method), _METHODS)
    level, path = spec.priorityLevelConfiguration.name, "spec.priorityLevelConfiguration.name"
    if not level:
        yield required(path, "must reference a priority level")
    for text in names.dns1123_subdomain(level) if level else ():
        yield invalid(path, level, text)
    for i, rule in enumerate(spec.rules):
        yield from _rule_errors(rule, f"spec.rules[{i}]")


def _precedence_errors(name: str, precedence: int) -> Iterator[FieldError]:
    path = "spec.matchingPrecedence"
    if precedence <= 0:
        yield invalid(path, precedence, "must be a positive value")
    if precedence > _LAST_PRECEDENCE:
        yield invalid(path, precedence, f"must not be greater than {_LAST_PRECEDENCE}")
    if precedence == 1 and name != EXEMPT:
        yield invalid(path, precedence, f"only the schema named '{EXEMPT}' may have matchingPrecedence 1")


def _rule_errors(rule: PolicyRulesWithSubjects, path: str) -> Iterator[FieldError]:
    if not rule.subjects:
        yield required(f"{path}.subjects", "subjects must contain at least one value")
    for i, subject in enumerate(rule.subjects):
        yield from _subject_errors(subject, f"{path}.subjects[{i}]")
    if not rule.resourceRules and not rule.nonResourceRules:
        yield required(path, "at least one of resourceRules and nonResourceRules has to be non-empty")
    for i, one in enumerate(rule.resourceRules):
        yield from _resource_errors(one, f"{path}.resourceRules[{i}]")
    for i, other in enumerate(rule.nonResourceRules):
        yield from _non_resource_errors(other, f"{path}.nonResourceRules[{i}]")


def _subject_errors(subject: Subject, path: str) -> Iterator[FieldError]:
    own = _FIELDS.get(subject.kind)
    if own is None:
        yield not_supported(f"{path}.kind", subject.kind, tuple(_FIELDS))
        return
    chosen = getattr(subject, own)
    if chosen is None:
        yield required(f"{path}.{own}", f"{own} is required when subject kind is '{subject.kind}'")
    else:
        if not chosen.name:
            yield required(f"{path}.{own}.name")
        if isinstance(chosen, ServiceAccountSubject):
            yield from _account_errors(chosen, f"{path}.{own}")
    for kind, field in _FIELDS.items():
        if field != own and getattr(subject, field) is not None:
            yield forbidden(f"{path}.{field}", f"{field} is forbidden when subject kind is not '{kind}'")


def _account_errors(account: ServiceAccountSubject, path: str) -> Iterator[FieldError]:
    for text in names.dns1123_subdomain(account.name) if account.name not in ("", "*") else ():
        yield invalid(f"{path}.name", account.name, text)
    if not account.namespace:
        yield required(f"{path}.namespace", "must specify namespace for service account")
    for text in names.dns1123_label(account.namespace) if account.namespace else ():
        yield invalid(f"{path}.namespace", account.namespace, text)


def _verb_errors(verbs: list[str], path: str) -> Iterator[FieldError]:
    if not verbs:
        yield required(path, "verbs must contain at least one value")
    elif "*" in verbs:
        yield from _alone(verbs, path, "verbs")
    elif not set(verbs) <= set(_VERBS):
        yield not_supported(path, verbs, _VERBS)


def _alone(values: list[str], path: str, what: str) -> Iterator[FieldError]:
    if len(values) > 1 and "*" in values:
        yield invalid(path, values, f"if '*' is present, must not specify other {what}")


def _resource_errors(rule: ResourcePolicyRule, path: str) -> Iterator[FieldError]:
    yield from _verb_errors(rule.verbs, f"{path}.verbs")
    if not rule.apiGroups:
        yield required(f"{path}.apiGroups", "resource rules must supply at least one api group")
    yield from _alone(rule.apiGroups, f"{path}.apiGroups", "api groups")
    if not rule.resources:
        yield required(f"{path}.resources", "resource rules must supply at least one resource")
    yield from _alone(rule.resources, f"{path}.resources", "resources")
    if not rule.namespaces and not rule.clusterScope:
        text = "resource rules that are not cluster scoped must supply at least one namespace"
        yield required(f"{path}.namespaces", text)
    yield from _alone(rule.namespaces, f"{path}.namespaces", "namespaces")
    for i, namespace in enumerate(rule.namespaces if "*" not in rule.namespaces else ()):
        for text in names.dns1123_label(namespace):
            yield invalid(f"{path}.namespaces[{i}]", namespace, _NAMESPACE_TEXT + text)


def _non_resource_errors(rule: NonResourcePolicyRule, path: str) -> Iterator[FieldError]:
    yield from _verb_errors(rule.verbs, f"{path}.verbs")
    where, urls = f"{path}.nonResourceURLs", rule.nonResourceURLs
    if not urls:
        yield required(where, "nonResourceURLs must contain at least one value")
    yield from _alone(urls, where, "non-resource URLs")
    for i, url in enumerate(urls if "*" not in urls else ()):
        if text := _url_text(url):
            yield invalid(f"{where}[{i}]", url, text)


def _url_text(url: str) -> str:
    """Returns the error of a path of a request; empty if the path is valid."""
    if not url:
        return "must not be empty"
    if not url.startswith("/"):
        return "must start with slash"
    if " " in url:
        return "must not contain white-space"
    if "//" in url:
        return "must not contain double slash"
    wrong = url.count("*") > 1 or ("*" in url and not url.endswith("/*"))
    return "wildcard can only do suffix matching" if wrong else ""


def condition_errors(conditions: list[FlowSchemaCondition]) -> Iterator[FieldError]:
    known: set[str] = set()
    for i, condition in enumerate(conditions):
        path = f"status.conditions[{i}].type"
        if condition.type in known:
            yield duplicate(path, condition.type)
        known.add(condition.type)
        if not condition.type:
            yield required(path)


def fixed_errors(flow_schema: FlowSchema, fixed: FlowSchemaSpec | None) -> Iterator[FieldError]:
    """Yields an error if a schema that every cluster has differs from its fixed value."""
    if fixed is not None and flow_schema.spec != fixed:
        text = f"spec of '{flow_schema.metadata.name}' must equal the fixed value"
        yield invalid("spec", to_tree(flow_schema.spec), text)
