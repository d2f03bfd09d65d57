"""Policy rules: the permissions that a Role or a ClusterRole grants (rbac.authorization.k8s.io/v1).

Source of the rules and their texts: upstream's validation of the group rbac.authorization.k8s.io.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated

import msgspec

from fairlead.api.meta.types import Record, Strings, empty_list
from fairlead.machinery.kinds.kind import Doc
from fairlead.machinery.values.status import FieldError, invalid, required

GROUP = "rbac.authorization.k8s.io"
ALL = "*"
"""Every verb, every API group, every resource or every path."""


class PolicyRule(Record):
    """Permission for some verbs, either on resources of API groups or on paths that are not resources."""

    verbs: Annotated[
        Strings, Doc("Permitted verbs, such as get, list or create; * permits every verb, also of custom resources.")
    ] = msgspec.field(default_factory=empty_list)
    apiGroups: Annotated[
        Strings, Doc('API groups of the resources; "" is the core group, and * permits every group.')
    ] = []
    resources: Annotated[
        Strings,
        Doc(
            "Resources that the rule applies to, such as pods or pods/log; * permits all, */scale that subresource "
            "of all."
        ),
    ] = []
    resourceNames: Annotated[
        Strings, Doc("Names of the objects that the rule is limited to; every object if the list is empty.")
    ] = []
    nonResourceURLs: Annotated[
        Strings,
        Doc("Paths that are not resources, such as /healthz; a * is allowed as the full last step of a path."),
    ] = []


def rule_errors(rules: Sequence[PolicyRule], *, namespaced: bool) -> Iterator[FieldError]:
    """Yields the errors of the `rules` of a role."""
    for i, rule in enumerate(rules):
        yield from _errors(rule, f"rules[{i}]", namespaced=namespaced)


def _errors(rule: PolicyRule, path: str, *, namespaced: bool) -> Iterator[FieldError]:
    if not rule.verbs:
        yield required(f"{path}.verbs", "verbs must contain at least one value")
    if rule.nonResourceURLs:
        where = f"{path}.nonResourceURLs"
        if namespaced:
            yield invalid(where, rule.nonResourceURLs, "namespaced rules cannot apply to non-resource URLs")
        if rule.apiGroups or rule.resources or rule.resourceNames:
            text = "rules cannot apply to both regular resources and non-resource URLs"
            yield invalid(where, rule.nonResourceURLs, text)
        return
    if not rule.apiGroups:
        yield required(f"{path}.apiGroups", "resource rules must supply at least one api group")
    if not rule.resources:
        yield required(f"{path}.resources", "resource rules must supply at least one resource")
