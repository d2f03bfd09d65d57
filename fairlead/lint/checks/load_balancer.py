"""Load balancers of a class that nothing in the cluster serves."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.base.texts import text
from fairlead.lint.problem import Problem
from fairlead.lint.world import World
from fairlead.service.wellknown import LOAD_BALANCER_CLASS


def load_balancer_classes(world: World) -> Iterator[Problem]:
    for service in world.of_kind("Service"):
        entry = service.entry("spec", "loadBalancerClass")
        if entry is None or entry.value.scalar in (None, LOAD_BALANCER_CLASS):
            continue
        message = text(
            "no load balancer of Fairlead serves class `{given}`: the address stays <pending>; "
            "omit the field, or write {own}",
            given=entry.value.scalar,
            own=LOAD_BALANCER_CLASS,
        )
        yield Problem("load-balancer-class", "warning", service.context.file, entry.value.span, message)
