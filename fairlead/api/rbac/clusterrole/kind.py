"""The ClusterRole kind: permissions in all namespaces, on cluster-scoped objects and on other paths.

The rules of a role with an `aggregationRule` are written by a controller.
"""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.meta.columns import CREATED_AT, NAME
from fairlead.api.meta.rules import label_selector
from fairlead.api.meta.types import LabelSelector, Object, Record, empty_list
from fairlead.api.rbac.policy import GROUP, PolicyRule, rule_errors
from fairlead.machinery.kinds.kind import Atomic, Doc, Kind
from fairlead.machinery.values.status import FieldError, required

_SELECTORS = "aggregationRule.clusterRoleSelectors"


class AggregationRule(Record):
    """Choice of the cluster roles whose rules make up the rules of an aggregated role."""

    clusterRoleSelectors: Annotated[
        list[LabelSelector],
        Atomic(),
        Doc("Label selectors of the aggregated cluster roles; a role is included if one selector matches."),
    ] = []


class ClusterRole(Object):
    """Permissions in the whole cluster, or in one namespace if they are granted by a RoleBinding."""

    rules: Annotated[
        list[PolicyRule], Atomic(), Doc("Permissions of the role; a request is permitted if one rule permits it.")
    ] = msgspec.field(default_factory=empty_list)
    aggregationRule: (
        Annotated[
            AggregationRule,
            Doc("Choice of other cluster roles whose rules a controller copies to `rules`, replacing what is there."),
        ]
        | None
    ) = None


def _rules(role: ClusterRole) -> Iterator[FieldError]:
    yield from rule_errors(role.rules, namespaced=False)
    if role.aggregationRule is not None:
        selectors = role.aggregationRule.clusterRoleSelectors
        if not selectors:
            yield required(_SELECTORS, "at least one clusterRoleSelector required if aggregationRule is non-nil")
        for i, selector in enumerate(selectors):
            yield from label_selector(selector, f"{_SELECTORS}[{i}]")


CLUSTER_ROLE = Kind(
    type=ClusterRole,
    created_by_update=True,
    kind="ClusterRole",
    group=GROUP,
    plural="clusterroles",
    storage_path="clusterroles",
    singular="clusterrole",
    namespaced=False,
    cached="object",
    name_rule="path-segment",
    columns=(NAME, CREATED_AT),
    rules=_rules,
)
