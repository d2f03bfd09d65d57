"""EndpointSlices and Endpoints, written by hand, that belong to no Service of the files.

A slice belongs to the Service that its label names, Endpoints to the Service with their name. Names that are like no
Service of the files are left alone: the Service may be in the cluster.
"""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.api.core.service.predicates import is_external_name, typed
from fairlead.base.texts import text
from fairlead.lint.document import Entry
from fairlead.lint.near import nearest
from fairlead.lint.problem import Problem
from fairlead.lint.world import Manifest, World
from fairlead.service.wellknown import SERVICE_NAME_LABEL

_RULE = "service-name"
_LAST_PART = SERVICE_NAME_LABEL.rpartition("/")[2]


def endpoints(world: World) -> Iterator[Problem]:
    served = {(one.namespace, name) for one, name in _owners(world)}
    for one in world.of_kind("EndpointSlice"):
        label = one.entry("metadata", "labels", SERVICE_NAME_LABEL)
        if label is None:
            yield from _without_label(world, one, served)
        elif isinstance(label.value.scalar, str) and label.value.scalar:
            yield from _named(world, one, label, served)
    for one in world.of_kind("Endpoints"):
        name = one.entry("metadata", "name")
        if name is not None and one.name:
            yield from _named(world, one, name, served)


def _owners(world: World) -> Iterator[tuple[Manifest, str]]:
    """Yields each slice and Endpoints object with the name of its Service."""
    for one in world.of_kind("EndpointSlice"):
        label = one.entry("metadata", "labels", SERVICE_NAME_LABEL)
        if label is not None:
            yield one, label.value.text
    for one in world.of_kind("Endpoints"):
        yield one, one.name


def _waiting(world: World, namespace: str, served: set[tuple[str, str]]) -> list[str]:
    """Returns the names of the Services that get endpoints by hand only, and from no object of the files."""
    return [
        service.name
        for service in world.of_kind("Service")
        if service.namespace == namespace
        and (namespace, service.name) not in served
        and not service.value.strings_at("spec", "selector")
        and not is_external_name(typed({"type": service.value.string("spec", "type")}))
    ]


def _named(world: World, one: Manifest, entry: Entry, served: set[tuple[str, str]]) -> Iterator[Problem]:
    name, waiting = entry.value.text, _waiting(world, one.namespace, served)
    if world.find("Service", name, one.namespace) is not None:
        return
    longer = max((known for known in waiting if name.startswith(f"{known}-")), key=len, default="")
    meant = nearest(name, waiting) or longer
    if meant:
        message = text(
            "{owner} belongs to Service `{name}`, which is not in these files: did you mean `{meant}`?",
            owner=one.kind,
            name=name,
            meant=meant,
        )
        fix = one.context.replaced(entry.value.span, meant)
        yield Problem(_RULE, "warning", one.context.file, entry.value.span, message, (fix,))


def _without_label(world: World, one: Manifest, served: set[tuple[str, str]]) -> Iterator[Problem]:
    """Yields the problem of a slice without the label: with the label that is meant, if that one names a Service."""
    labels = one.value.strings_at("metadata", "labels")
    naming = {
        key.rpartition("/")[2]: key for key, value in labels.items() if world.find("Service", value, one.namespace)
    }
    near = one.entry("metadata", "labels", naming.get(nearest(_LAST_PART, naming), ""))
    if near is not None:
        message = text("no Service is found by label `{given}`: did you mean `{label}`?",
                       given=near.key, label=SERVICE_NAME_LABEL)  # fmt: skip
        fix = one.context.replaced(near.span, SERVICE_NAME_LABEL)
        yield Problem(_RULE, "warning", one.context.file, near.span, message, (fix,))
        return
    place = one.entry("metadata", "name") or one.entry("kind")
    if place is not None and _waiting(world, one.namespace, served):
        message = text(
            "the EndpointSlice belongs to no Service: the label `{label}` is missing", label=SERVICE_NAME_LABEL
        )
        yield Problem(_RULE, "warning", one.context.file, place.value.span, message)
