"""Backends of Ingresses: the Service and its port."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.base.texts import text
from fairlead.lint.document import Value
from fairlead.lint.problem import Problem
from fairlead.lint.world import Manifest, World


def ingress_backends(world: World) -> Iterator[Problem]:
    for ingress in world.of_kind("Ingress") if world.of_kind("Service") else []:
        for backend in _backends(ingress):
            yield from _check(world, ingress, backend)


def _backends(ingress: Manifest) -> Iterator[Value]:
    default = ingress.value.get("spec", "defaultBackend", "service")
    if default is not None:
        yield default
    for rule in ingress.value.list_at("spec", "rules"):
        for path in rule.list_at("http", "paths"):
            service = path.get("backend", "service")
            if service is not None:
                yield service


def _check(world: World, ingress: Manifest, backend: Value) -> Iterator[Problem]:
    entry = backend.entry("name")
    if entry is None or not isinstance(entry.value.scalar, str):
        return
    name, file = entry.value.scalar, ingress.context.file
    service = world.find("Service", name, ingress.namespace)
    if service is None:
        near = world.nearest_name("Service", name, ingress.namespace)
        fixes = (ingress.context.replaced(entry.value.span, near),) if near else ()
        message = text("Service `{name}` is not in these files", name=name)
        yield Problem("ingress-backend", "warning", file, entry.value.span, message, fixes)
        return
    ports = service.value.list_at("spec", "ports")
    for key, field in (("number", "port"), ("name", "name")):
        wanted = backend.get("port", key)
        if wanted is not None and wanted.scalar not in [one.tree().get(field) for one in ports]:
            message = text("{service} lacks port `{port}`", service=service.title, port=wanted.scalar)
            yield Problem("ingress-backend", "error", file, wanted.span, message)
