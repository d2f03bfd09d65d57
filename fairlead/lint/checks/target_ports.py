"""Target ports of Services that no container of the selected Pods declares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fairlead.base.texts import text
from fairlead.lint.document import Value
from fairlead.lint.near import nearest
from fairlead.lint.problem import Problem
from fairlead.lint.world import Manifest, Template, World


def target_ports(world: World) -> Iterator[Problem]:
    for service, port, templates in world.served_ports():
        yield from _check(service, port, templates)


def _check(service: Manifest, port: Value, templates: Sequence[Template]) -> Iterator[Problem]:
    entry = port.entry("targetPort") or port.entry("port")
    if entry is None:
        return
    target, span = entry.value.scalar, entry.value.span
    if isinstance(target, str):
        for template in templates:
            if target in template.port_names():
                continue
            meant = nearest(target, template.port_names())
            message = text("no container of {owner} has a port named `{port}`", owner=template.owner.title, port=target)
            fixes = (service.context.replaced(span, meant),) if meant else ()
            known = ", ".join(sorted(template.port_names())) or "-"
            yield Problem(
                "target-port", "error", service.context.file, span, message, fixes,
                text("its named ports are {names}", names=known),
            )  # fmt: skip
            return
        return
    declared = {number for template in templates for number in template.port_numbers()}
    if declared and isinstance(target, int) and target not in declared:
        message = text(
            "no container of {owner} declares port {port}; declared are {declared}",
            owner=templates[0].owner.title,
            port=target,
            declared=", ".join(map(str, sorted(declared))),
        )
        yield Problem("target-port", "warning", service.context.file, span, message)
