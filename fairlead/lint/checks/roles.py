"""Roles of bindings: a Role that the files do not contain, though they contain others."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.base.texts import text
from fairlead.lint.problem import Problem, Severity
from fairlead.lint.world import World


def role_references(world: World) -> Iterator[Problem]:
    for one in world.of_kind("RoleBinding"):
        entry = one.entry("roleRef", "name")
        if one.value.string("roleRef", "kind") != "Role" or entry is None or not isinstance(entry.value.scalar, str):
            continue
        if world.find("Role", entry.value.scalar, one.namespace) is None:
            near = world.nearest_name("Role", entry.value.scalar, one.namespace)
            fixes = (one.context.replaced(entry.value.span, near),) if near else ()
            message = text("{kind} `{name}` is not in these files: it must exist in the cluster before",
                           kind="Role", name=entry.value.scalar)  # fmt: skip
            severity: Severity = "warning" if near else "note"
            yield Problem("missing-object", severity, one.context.file, entry.value.span, message, fixes)
