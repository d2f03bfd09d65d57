"""Feeds the aggregation of ClusterRoles: any change of a role may concern every aggregated one."""

from __future__ import annotations

from fairlead.api.rbac.clusterrole.kind import CLUSTER_ROLE, ClusterRole
from fairlead.controllers.cluster.roleaggregation.plan import reconcile
from fairlead.controllers.context import Context
from fairlead.runtime.loop import Controller, planned
from fairlead.runtime.plan import Plan


def controller(context: Context) -> Controller:
    return _RoleAggregation(context).controller


class _RoleAggregation:
    def __init__(self, context: Context) -> None:
        self._roles = context.informers.of(CLUSTER_ROLE)
        self._aggregated: set[str] = set()
        applier = context.applier("clusterrole-aggregation-controller")
        self.controller = Controller("roleaggregation", context.queue(), planned(self._reconcile, applier), workers=1)
        self._roles.add_handler(self._on_role)

    def _on_role(self, key: str, old: ClusterRole | None, new: ClusterRole | None) -> None:
        if new is not None and new.aggregationRule is not None:
            self._aggregated.add(key)
        else:
            self._aggregated.discard(key)
        if old is not None and new is not None and _facts(old) == _facts(new):
            return
        for name in sorted(self._aggregated):
            self.controller.queue.add(name)

    def _reconcile(self, key: str) -> Plan | None:
        role = self._roles.get(key)
        return reconcile(role, self._roles.items.values()) if role is not None else None


def _facts(role: ClusterRole) -> tuple[object, ...]:
    """Returns what aggregated roles depend on."""
    return role.metadata.labels, role.rules, role.aggregationRule
