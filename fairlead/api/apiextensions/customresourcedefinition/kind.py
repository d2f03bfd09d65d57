"""CustomResourceDefinition: defaults, checks, columns, and the status that a definition begins with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fairlead.api.apiextensions.customresourcedefinition.jsonschema import schema_tree
from fairlead.api.apiextensions.customresourcedefinition.naming import set_condition
from fairlead.api.apiextensions.customresourcedefinition.rules import create_rules, rules, transition
from fairlead.api.apiextensions.customresourcedefinition.types import (
    CustomResourceConversion,
    CustomResourceDefinition,
    CustomResourceDefinitionStatus,
)
from fairlead.api.meta.columns import NAME
from fairlead.base.instant import Instant
from fairlead.machinery.kinds.kind import Column, Strategy
from fairlead.machinery.values.formats import format_test

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
"""The finalizer of a definition whose objects must be deleted before it."""
_NUMBER_FORMATS = frozenset(("int32", "int64", "float", "double"))


def _default(crd: CustomResourceDefinition) -> CustomResourceDefinition:
    spec, names = crd.spec, crd.spec.names
    names.singular = names.singular or names.kind.lower()
    if names.kind and not names.listKind:
        names.listKind = f"{names.kind}List"
    if spec.conversion is None:
        spec.conversion = CustomResourceConversion(strategy="None")
    webhook = spec.conversion.webhook
    if webhook is not None and webhook.clientConfig is not None and webhook.clientConfig.service is not None:
        service = webhook.clientConfig.service
        service.port = 443 if service.port is None else service.port
    return crd


def _store(crd: CustomResourceDefinition) -> CustomResourceDefinition:
    """Adds the storage version to the versions that objects may be stored in."""
    for version in crd.spec.versions:
        if version.storage:
            if version.name not in crd.status.storedVersions:
                crd.status.storedVersions.append(version.name)
            break
    return crd


def _prepare_create(crd: CustomResourceDefinition) -> CustomResourceDefinition:
    crd.status = CustomResourceDefinitionStatus()
    return _store(crd)


def _prepare_update(old: CustomResourceDefinition, new: CustomResourceDefinition) -> CustomResourceDefinition:
    new.status = old.status
    return _store(new)


def _blocks_deletion(crd: CustomResourceDefinition) -> bool:
    """Returns whether objects of the definition may exist: until the finalizer has come and gone."""
    return crd.metadata.deletionTimestamp is None or CLEANUP in crd.metadata.finalizers


def _mark_deleted(crd: CustomResourceDefinition) -> None:
    """Adds the finalizer at the first deletion."""
    if any(one.type == "Terminating" for one in crd.status.conditions):
        return
    crd.metadata.finalizers.append(CLEANUP)
    message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"
    now = crd.metadata.deletionTimestamp or ""
    set_condition(crd, "Terminating", "True", "InstanceDeletionPending", message, now=now)


def _warnings(crd: CustomResourceDefinition) -> Iterator[str]:
    for version in crd.spec.versions:
        if version.schema is not None and version.schema.openAPIV3Schema is not None:
            for format in _unknown_formats(schema_tree(version.schema.openAPIV3Schema)):
                yield f'unrecognized format "{format}"'


def _unknown_formats(schema: Mapping[str, Any]) -> Iterator[str]:
    format = schema.get("format")
    if format and format not in _NUMBER_FORMATS and format_test(format) is None:
        yield format
    for name in ("properties", "definitions"):
        for inner in (schema.get(name) or {}).values():
            yield from _unknown_formats(inner)
    for name in ("items", "additionalProperties", "not"):
        if isinstance(schema.get(name), Mapping):
            yield from _unknown_formats(schema[name])
    for name in ("allOf", "anyOf", "oneOf"):
        for inner in schema.get(name) or ():
            yield from _unknown_formats(inner)


def _created(crd: CustomResourceDefinition, _: Instant) -> str:
    return crd.metadata.creationTimestamp or ""


STRATEGY: Strategy[CustomResourceDefinition] = Strategy(
    type=CustomResourceDefinition,
    columns=(
        NAME,
        Column("Created At", _created, type="date", doc="Time at which the definition was created."),
    ),
    default=_default,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    rules=rules,
    create_rules=create_rules,
    transition=transition,
    warnings=_warnings,
    unconditional_update=False,
    qualified_finalizers=False,
    blocks_deletion=_blocks_deletion,
    mark_deleted=_mark_deleted,
)
