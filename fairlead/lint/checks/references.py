"""Names of ConfigMaps, Secrets, claims and service accounts in Pod templates that the files do not contain."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.base.dataclass import dataclass
from fairlead.base.texts import text
from fairlead.lint.document import Entry, Value
from fairlead.lint.problem import Problem
from fairlead.lint.world import Manifest, Template, World

_ALWAYS_THERE = {("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")}


@dataclass(frozen=True, slots=True)
class _Reference:
    kind: str
    entry: Entry
    optional: bool


def references(world: World) -> Iterator[Problem]:
    for template in world.templates:
        claims = set(_claim_templates(template.owner))
        for one in _references(template):
            name = one.entry.value.scalar
            if not isinstance(name, str) or one.optional or (one.kind, name) in _ALWAYS_THERE:
                continue
            if (one.kind, name) in claims or world.find(one.kind, name, template.owner.namespace) is not None:
                continue
            yield _missing(world, template.owner, one, name)


def _missing(world: World, owner: Manifest, one: _Reference, name: str) -> Problem:
    near = world.nearest_name(one.kind, name, owner.namespace)
    span, file = one.entry.value.span, owner.context.file
    if near:
        message = text("{kind} `{name}` is not in these files: did you mean `{meant}`?",
                       kind=one.kind, name=name, meant=near)  # fmt: skip
        return Problem("missing-object", "warning", file, span, message, (owner.context.replaced(span, near),))
    message = text(
        "{kind} `{name}` is not in these files: it must exist in the cluster before", kind=one.kind, name=name
    )
    return Problem("missing-object", "note", file, span, message)


def _references(template: Template) -> Iterator[_Reference]:
    spec = template.spec
    yield from _named(spec, "ServiceAccount", "serviceAccountName")
    for secret in spec.list_at("imagePullSecrets"):
        yield from _named(secret, "Secret", "name")
    for container in [*spec.list_at("initContainers"), *spec.list_at("containers")]:
        yield from _of_environment(container)
    for volume in spec.list_at("volumes"):
        yield from _of_volume(volume)
        for source in volume.list_at("projected", "sources"):
            yield from _of_source(source)


def _of_environment(container: Value) -> Iterator[_Reference]:
    for one in container.list_at("env"):
        for key, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
            found = one.get("valueFrom", key)
            if found is not None:
                yield from _named(found, kind, "name")
    for one in container.list_at("envFrom"):
        for key, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
            found = one.get(key)
            if found is not None:
                yield from _named(found, kind, "name")


def _of_volume(volume: Value) -> Iterator[_Reference]:
    for key, kind, name in (
        ("configMap", "ConfigMap", "name"),
        ("secret", "Secret", "secretName"),
        ("persistentVolumeClaim", "PersistentVolumeClaim", "claimName"),
    ):
        found = volume.get(key)
        if found is not None:
            yield from _named(found, kind, name)


def _of_source(source: Value) -> Iterator[_Reference]:
    for key, kind in (("configMap", "ConfigMap"), ("secret", "Secret")):
        found = source.get(key)
        if found is not None:
            yield from _named(found, kind, "name")


def _named(value: Value, kind: str, key: str) -> Iterator[_Reference]:
    entry = value.entry(key)
    if entry is not None:
        optional = value.get("optional")
        yield _Reference(kind, entry, optional is not None and optional.scalar is True)


def _claim_templates(owner: Manifest) -> Iterator[tuple[str, str]]:
    for one in owner.value.list_at("spec", "volumeClaimTemplates"):
        yield "PersistentVolumeClaim", one.string("metadata", "name")
