"""Plans Services incrementally, so that endpoints keep their places in the chains of Services with many endpoints."""

from __future__ import annotations

from fairlead.proxy.iptables.plan import NOTHING, ServicePlan, View, plan_chosen
from fairlead.proxy.planning.backend import Source
from fairlead.proxy.planning.incremental import Chooser
from fairlead.service.frontends import has_frontends

MANY = 60
"""Minimum number of targets that keep their places; chains with fewer targets are rewritten at each change."""


class Planner:
    """Remembers the places of the endpoints of large Services. The first place is the one that comes and goes."""

    def __init__(self) -> None:
        self._chooser = Chooser(many=MANY, last_first=True)

    def plan(self, key: str, source: Source, *, view: View) -> ServicePlan:
        """Returns the plan of the Service with this key."""
        service = source.service
        if service is None or not has_frontends(service):
            self._chooser.forget(key)
            return NOTHING
        return plan_chosen(service, self._chooser.choose(key, service, source.slices, node=view.node), view=view)
