"""The objects of all files, for the checks that compare them with each other."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence

from fairlead.base.dataclass import dataclass
from fairlead.lint.context import Context
from fairlead.lint.document import Entry, Value
from fairlead.lint.near import nearest

_TEMPLATES = (("spec", "template"), ("spec", "jobTemplate", "spec", "template"))
DEFAULT_NAMESPACE = "default"
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
"""The fields of a container that have its probes."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object."""

    context: Context
    value: Value
    kind: str
    api_version: str

    @property
    def name(self) -> str:
        return self.value.string("metadata", "name")

    @property
    def namespace(self) -> str:
        return self.value.string("metadata", "namespace") or DEFAULT_NAMESPACE

    @property
    def title(self) -> str:
        return f"{self.kind} {self.name or '(without a name)'}"

    def entry(self, *path: str) -> Entry | None:
        """Returns the member at a path of keys."""
        above = self.value.get(*path[:-1])
        return above.entry(path[-1]) if above is not None else None


@dataclass(frozen=True, slots=True)
class Template:
    """The Pods that an object makes, or is."""

    owner: Manifest
    labels: Mapping[str, str]
    spec: Value

    @property
    def containers(self) -> list[Value]:
        return self.spec.list_at("containers")

    def port_numbers(self) -> set[int]:
        return {
            port.value.scalar
            for container in self.containers
            for one in container.list_at("ports")
            if (port := one.entry("containerPort")) is not None and isinstance(port.value.scalar, int)
        }

    def port_names(self) -> set[str]:
        return {
            one.string("name")
            for container in [*self.containers, *self.spec.list_at("initContainers")]
            for one in container.list_at("ports")
        } - {""}


class World:
    """All objects, in the order of files and documents."""

    def __init__(self, manifests: Sequence[Manifest]) -> None:
        self.manifests = manifests

    def of_kind(self, kind: str) -> list[Manifest]:
        return self._by_kind.get(kind, [])

    @functools.cached_property
    def _by_kind(self) -> Mapping[str, list[Manifest]]:
        index: dict[str, list[Manifest]] = {}
        for one in self.manifests:
            index.setdefault(one.kind, []).append(one)
        return index

    @functools.cached_property
    def templates(self) -> list[Template]:
        return [template for one in self.manifests for template in _templates(one)]

    def selected(self, selector: Mapping[str, str], namespace: str) -> list[Template]:
        """Returns the templates of a namespace whose labels match a selector with at least one pair."""
        key, value = next(iter(selector.items()))
        near = self._by_label.get((namespace, key, value), [])
        return [one for one in near if selector.items() <= one.labels.items()]

    def served_ports(self) -> Iterator[tuple[Manifest, Value, list[Template]]]:
        """Yields each port of a Service with the templates that the Service selects, if there are any."""
        for service in self.of_kind("Service"):
            selector = service.value.strings_at("spec", "selector")
            templates = self.selected(selector, service.namespace) if selector else []
            for port in service.value.list_at("spec", "ports") if templates else []:
                yield service, port, templates

    @functools.cached_property
    def _by_label(self) -> Mapping[tuple[str, str, str], list[Template]]:
        index: dict[tuple[str, str, str], list[Template]] = {}
        for one in self.templates:
            for key, value in one.labels.items():
                index.setdefault((one.owner.namespace, key, value), []).append(one)
        return index

    def find(self, kind: str, name: str, namespace: str) -> Manifest | None:
        return self._by_name.get((kind, namespace, name))

    @functools.cached_property
    def _by_name(self) -> Mapping[tuple[str, str, str], Manifest]:
        return {(one.kind, one.namespace, one.name): one for one in self.manifests}

    def nearest_name(self, kind: str, name: str, namespace: str) -> str:
        """Returns the most similar name of a kind in the namespace; empty if none is near."""
        return nearest(name, [one.name for one in self.of_kind(kind) if one.namespace == namespace])


def _templates(manifest: Manifest) -> Iterator[Template]:
    if manifest.kind == "Pod":
        holder: Value | None = manifest.value
    else:
        holder = next((found for path in _TEMPLATES if (found := manifest.value.get(*path)) is not None), None)
    spec = holder.get("spec") if holder is not None else None
    if holder is not None and spec is not None and spec.list_at("containers"):
        yield Template(manifest, holder.strings_at("metadata", "labels"), spec)
