"""Rules of webhooks and policies: the operations on resources that they are about, and the checks of rules.

Source of the checks and their texts: upstream's validation of admissionregistration.
"""

from collections.abc import Iterator
from typing import Annotated

from fairlead.api.meta.types import Record, Strings
from fairlead.machinery.kinds.kind import Atomic, Doc
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, duplicate, invalid, not_supported, required

OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
_SCOPES = ("*", "Cluster", "Namespaced")

_OPERATIONS_DOC = Doc("Operations that the rule matches: CREATE, UPDATE, DELETE, CONNECT, or * for all.")
_GROUPS_DOC = Doc('API groups of the resources that the rule matches: "" for the core group, * for all groups.')
_VERSIONS_DOC = Doc("API versions of the resources that the rule matches; * for all versions.")
_RESOURCES_DOC = Doc("Resources that the rule matches, such as pods, pods/log, pods/*, */scale, * or */*.")
_SCOPE_DOC = Doc("Scope of the resources that the rule matches: Cluster, Namespaced, or * (default) for both.")


class RuleWithOperations(Record):
    """Operations on resources for which a webhook is called."""

    operations: Annotated[Strings, _OPERATIONS_DOC] = []
    apiGroups: Annotated[Strings, _GROUPS_DOC] = []
    apiVersions: Annotated[Strings, _VERSIONS_DOC] = []
    resources: Annotated[Strings, _RESOURCES_DOC] = []
    scope: Annotated[str, _SCOPE_DOC] | None = None


class NamedRuleWithOperations(Record):
    """Operations on resources that a policy is about, optionally only on objects of certain names."""

    resourceNames: Annotated[Strings, Doc("Names of the objects that the rule matches; all objects if empty.")] = []
    operations: Annotated[Strings, _OPERATIONS_DOC] = []
    apiGroups: Annotated[Strings, _GROUPS_DOC] = []
    apiVersions: Annotated[Strings, _VERSIONS_DOC] = []
    resources: Annotated[Strings, _RESOURCES_DOC] = []
    scope: Annotated[str, _SCOPE_DOC] | None = None


Rule = RuleWithOperations | NamedRuleWithOperations
NamedRules = Annotated[list[Annotated[NamedRuleWithOperations, Atomic()]], Atomic()]


def default_rule(rule: Rule) -> None:
    """Fills in the scope."""
    if rule.scope is None:
        rule.scope = "*"


def named_rule_errors(rule: NamedRuleWithOperations, path: str) -> Iterator[FieldError]:
    """Yields the errors of a policy's rule."""
    seen: set[str] = set()
    for i, name in enumerate(rule.resourceNames):
        where = f"{path}.resourceNames[{i}]"
        yield from (invalid(where, name, text) for text in names.path_segment(name))
        if name in seen:
            yield duplicate(where, name)
        seen.add(name)
    yield from rule_errors(rule, path)


def rule_errors(rule: Rule, path: str) -> Iterator[FieldError]:
    """Yields the errors of a rule."""
    if not rule.operations:
        yield required(f"{path}.operations")
    if len(rule.operations) > 1 and "*" in rule.operations:
        yield invalid(f"{path}.operations", rule.operations, "if '*' is present, must not specify other operations")
    for i, operation in enumerate(rule.operations):
        if operation not in OPERATIONS:
            yield not_supported(f"{path}.operations[{i}]", operation, OPERATIONS)
    yield from _wildcard_errors(rule.apiGroups, f"{path}.apiGroups", "API groups")
    yield from _wildcard_errors(rule.apiVersions, f"{path}.apiVersions", "API versions")
    for i, version in enumerate(rule.apiVersions):
        if not version:
            yield required(f"{path}.apiVersions[{i}]")
    yield from _resource_errors(rule.resources, f"{path}.resources")
    if rule.scope is not None and rule.scope not in _SCOPES:
        yield not_supported(f"{path}.scope", rule.scope, _SCOPES)


def _wildcard_errors(values: list[str], path: str, what: str) -> Iterator[FieldError]:
    if not values:
        yield required(path)
    if len(values) > 1 and "*" in values:
        yield invalid(path, values, f"if '*' is present, must not specify other {what}")


def _resource_errors(resources: list[str], path: str) -> Iterator[FieldError]:
    if not resources:
        yield required(path)
    all_subresources: set[str] = set()
    of_all_resources: set[str] = set()
    plain = False
    for i, text in enumerate(resources):
        where = f"{path}[{i}]"
        if not text:
            yield required(where)
            continue
        resource, slash, subresource = text.partition("/")
        if not slash:
            plain = text != "*"
            continue
        if resource in all_subresources:
            yield invalid(where, text, f"if '{resource}/*' is present, must not specify {text}")
        if subresource in of_all_resources:
            yield invalid(where, text, f"if '*/{subresource}' is present, must not specify {text}")
        if subresource == "*":
            all_subresources.add(resource)
        if resource == "*":
            of_all_resources.add(subresource)
    if len(resources) > 1 and "*/*" in resources:
        yield invalid(path, resources, "if '*/*' is present, must not specify other resources")
    if "*" in resources and plain:
        text = "if '*' is present, must not specify other resources without subresources"
        yield invalid(path, resources, text)
