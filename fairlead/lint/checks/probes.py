"""Probes of ports that the container does not declare."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.base.texts import text
from fairlead.lint.document import Entry, Value
from fairlead.lint.near import nearest
from fairlead.lint.problem import Problem
from fairlead.lint.world import PROBES, Manifest, World

_HANDLERS = ("httpGet", "tcpSocket", "grpc")


def probe_ports(world: World) -> Iterator[Problem]:
    for template in world.templates:
        for container in template.containers:
            ports = container.list_at("ports")
            names = {one.string("name") for one in ports} - {""}
            numbers = {one.tree().get("containerPort") for one in ports if one.form == "mapping"}
            for probe, entry in _ports(container):
                yield from _check(template.owner, probe, entry, names, numbers)


def _ports(container: Value) -> Iterator[tuple[str, Entry]]:
    for probe in PROBES:
        for handler in _HANDLERS:
            found = container.get(probe, handler)
            entry = found.entry("port") if found is not None else None
            if entry is not None and not entry.value.is_null:
                yield probe, entry


def _check(owner: Manifest, probe: str, entry: Entry, names: set[str], numbers: set[object]) -> Iterator[Problem]:
    port, span = entry.value.scalar, entry.value.span
    if isinstance(port, str) and port not in names:
        meant = nearest(port, names)
        message = text("`{probe}` asks port `{port}`, which the container does not declare", probe=probe, port=port)
        fixes = (owner.context.replaced(span, meant),) if meant else ()
        yield Problem("probe-port", "error", owner.context.file, span, message, fixes)
    elif isinstance(port, int) and numbers and port not in numbers:
        message = text("`{probe}` asks port `{port}`, which the container does not declare", probe=probe, port=port)
        yield Problem("probe-port", "warning", owner.context.file, span, message)
