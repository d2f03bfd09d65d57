"""Targets of HorizontalPodAutoscalers."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.base.texts import text
from fairlead.lint.problem import Problem
from fairlead.lint.world import World


def autoscaler_targets(world: World) -> Iterator[Problem]:
    for one in world.of_kind("HorizontalPodAutoscaler"):
        kind, entry = one.value.string("spec", "scaleTargetRef", "kind"), one.entry("spec", "scaleTargetRef", "name")
        if entry is None or not isinstance(entry.value.scalar, str) or not world.of_kind(kind):
            continue
        if world.find(kind, entry.value.scalar, one.namespace) is None:
            near = world.nearest_name(kind, entry.value.scalar, one.namespace)
            fixes = (one.context.replaced(entry.value.span, near),) if near else ()
            message = text("{kind} `{name}` is not in these files: it must exist in the cluster before",
                           kind=kind, name=entry.value.scalar)  # fmt: skip
            yield Problem("missing-object", "warning", one.context.file, entry.value.span, message, fixes)
