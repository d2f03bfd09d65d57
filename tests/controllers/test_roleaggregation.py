"""Aggregated ClusterRoles have the rules of the roles that they choose."""

from __future__ import annotations

import asyncio

from fairlead.api.meta.types import LabelSelector, ObjectMeta
from fairlead.api.rbac.clusterrole.kind import CLUSTER_ROLE, AggregationRule, ClusterRole
from fairlead.api.rbac.policy import PolicyRule
from fairlead.controllers.cluster.roleaggregation.plan import reconcile
from fairlead.runtime.plan import NOTHING
from tests.controllers.world import World, in_served_world

PODS = PolicyRule(verbs=["get"], apiGroups=[""], resources=["pods"])
SECRETS = PolicyRule(verbs=["get"], apiGroups=[""], resources=["secrets"])


def role(name: str, *rules: PolicyRule, of: tuple[str, ...] = (), **labels: str) -> ClusterRole:
    """Returns a role; `of` are labels of which any one lets a role be part of it."""
    selectors = [LabelSelector(matchLabels={label: "true"}) for label in of]
    rule = AggregationRule(clusterRoleSelectors=selectors) if of else None
    return ClusterRole(metadata=ObjectMeta(name=name, labels=labels), rules=list(rules), aggregationRule=rule)


def rules_after(aggregated: ClusterRole, *roles: ClusterRole) -> list[PolicyRule]:
    plan = reconcile(aggregated, [aggregated, *roles])
    made = plan.update[0].obj if plan.update else aggregated
    assert isinstance(made, ClusterRole)
    assert reconcile(made, [made, *roles]) == NOTHING
    return made.rules


def test_rules_of_chosen_roles_are_joined_by_name_each_once() -> None:
    total = role("total", SECRETS, of=("a", "b"), a="true")
    b, c = role("b", PODS, a="true"), role("c", PODS, SECRETS, a="true", b="true")
    assert rules_after(total, c, b, role("d", SECRETS, other="true")) == [PODS, SECRETS]
    assert rules_after(total, c) == [PODS, SECRETS]
    assert rules_after(total) == []


def test_a_role_without_selectors_is_left_alone() -> None:
    assert reconcile(role("a", PODS), [role("b", SECRETS)]) == NOTHING


def test_roles_of_users_follow_each_other_and_what_is_added_to_them() -> None:
    async def story(world: World) -> None:
        async def resources(name: str) -> set[str]:
            found = await world.client.get(CLUSTER_ROLE, name)
            return {resource for rule in found.rules for resource in rule.resources}

        await asyncio.sleep(1)
        assert "pods" in await resources("view")
        assert "secrets" not in await resources("view")
        assert {"pods", "secrets"} <= await resources("edit")
        assert {"pods", "secrets", "rolebindings"} <= await resources("admin")
        label = "rbac.authorization.k8s.io/aggregate-to-view"
        widgets = PolicyRule(verbs=["get"], apiGroups=["example.com"], resources=["widgets"])
        made = role("widgets", widgets)
        made.metadata.labels = {label: "true"}
        await world.client.create(CLUSTER_ROLE, made)
        await asyncio.sleep(1)
        for name in ("view", "edit", "admin"):
            assert "widgets" in await resources(name)
        await world.client.delete(CLUSTER_ROLE, "widgets")
        await asyncio.sleep(1)
        assert "widgets" not in await resources("admin")

    in_served_world(story)
