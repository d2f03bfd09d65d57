"""Node ports that two Services of the files want."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.base.texts import text
from fairlead.lint.problem import Problem
from fairlead.lint.world import Manifest, World


def node_ports(world: World) -> Iterator[Problem]:
    first: dict[tuple[object, str], Manifest] = {}
    for service in world.of_kind("Service"):
        for port in service.value.list_at("spec", "ports"):
            entry = port.entry("nodePort")
            if entry is None or not entry.value.scalar:
                continue
            key = entry.value.scalar, port.string("protocol") or "TCP"
            before = first.setdefault(key, service)
            if (before.namespace, before.name) != (service.namespace, service.name):
                message = text("node port {port} is taken by {other}", port=key[0], other=before.title)
                yield Problem("node-port", "error", service.context.file, entry.value.span, message)
