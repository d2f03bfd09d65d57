"""Two objects of one kind with one name: the second replaces the first."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.base.texts import text
from fairlead.lint.problem import Problem
from fairlead.lint.world import Manifest, World


def duplicate_objects(world: World) -> Iterator[Problem]:
    first: dict[tuple[str, str, str, str], Manifest] = {}
    for one in world.manifests:
        if not one.name:
            continue
        group = one.api_version.rpartition("/")[0]
        before = first.setdefault((group, one.kind, one.namespace, one.name), one)
        entry = one.entry("metadata", "name")
        if before is not one and entry is not None:
            message = text(
                "{title} is defined twice: here and in {file}:{line}; the second replaces the first",
                title=one.title,
                file=before.context.file,
                line=before.value.span.line + 1,
            )
            yield Problem("duplicate-object", "warning", one.context.file, entry.value.span, message)
