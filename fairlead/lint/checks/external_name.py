"""Services of type ExternalName with fields that DNS cannot carry."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.api.core.service.predicates import TypeOnly, is_external_name
from fairlead.base.texts import text
from fairlead.lint.problem import Problem
from fairlead.lint.world import World

_WITHOUT_EFFECT = ("ports", "selector")


def external_names(world: World) -> Iterator[Problem]:
    for service in world.of_kind("Service"):
        if not is_external_name(TypeOnly(service.value.string("spec", "type"))):
            continue
        for key in _WITHOUT_EFFECT:
            entry = service.entry("spec", key)
            if entry is not None and not entry.value.is_null:
                message = text(
                    "`{field}` is ignored in an ExternalName Service: it is an alias in DNS (CNAME)", field=key
                )
                yield Problem("external-name", "warning", service.context.file, entry.span, message)
