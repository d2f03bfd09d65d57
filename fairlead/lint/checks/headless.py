"""The Service that gives a StatefulSet's Pods their names."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.base.texts import text
from fairlead.lint.problem import Problem
from fairlead.lint.world import World


def governing_services(world: World) -> Iterator[Problem]:
    for one in world.of_kind("StatefulSet"):
        entry = one.entry("spec", "serviceName")
        if entry is None or not entry.value.scalar or not world.of_kind("Service"):
            continue
        name, span, file = str(entry.value.scalar), entry.value.span, one.context.file
        service = world.find("Service", name, one.namespace)
        if service is None:
            near = world.nearest_name("Service", name, one.namespace)
            fixes = (one.context.replaced(span, near),) if near else ()
            message = text("Service `{name}` is not in these files: its Pods get no names in DNS without it", name=name)
            yield Problem("governing-service", "warning", file, span, message, fixes)
        elif service.value.string("spec", "clusterIP") != "None":
            message = text(
                "Service `{name}` is not headless (`clusterIP: None`): the Pods get no names in DNS", name=name
            )
            yield Problem("governing-service", "warning", file, span, message)
