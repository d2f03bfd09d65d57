"""Decides the rules of an aggregated ClusterRole: those of all roles that a selector chooses, each rule once.

Source: upstream's controller clusterroleaggregation.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from fairlead.api.rbac.clusterrole.kind import CLUSTER_ROLE, ClusterRole
from fairlead.api.rbac.policy import PolicyRule
from fairlead.machinery.values.selectors import from_label_selector
from fairlead.machinery.values.status import StatusError
from fairlead.runtime.plan import NOTHING, Plan, Update


def reconcile(role: ClusterRole, roles: Iterable[ClusterRole]) -> Plan:
    """Returns the update of the role, if its rules are not those of the chosen roles."""
    if role.aggregationRule is None or not role.aggregationRule.clusterRoleSelectors:
        return NOTHING
    rules = _rules(role, roles)
    if rules == role.rules:
        return NOTHING
    return Plan(update=(Update(CLUSTER_ROLE, msgspec.structs.replace(role, rules=rules)),))


def _rules(role: ClusterRole, roles: Iterable[ClusterRole]) -> list[PolicyRule]:
    assert role.aggregationRule is not None
    name = role.metadata.name
    others = sorted((one for one in roles if one.metadata.name != name), key=lambda one: one.metadata.name)
    rules: list[PolicyRule] = []
    for selector in role.aggregationRule.clusterRoleSelectors:
        try:
            chosen = from_label_selector(selector)
        except StatusError:
            continue  # an object of an older version; the API refuses such a selector
        for one in others:
            if chosen.matches(one.metadata.labels):
                rules += [rule for rule in one.rules if rule not in rules]
    return rules
