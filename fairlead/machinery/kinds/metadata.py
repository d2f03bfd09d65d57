"""Checks of the metadata that every object has, with the texts of upstream's `ValidateObjectMeta`.

The checks are public because pod templates have metadata too. `ObjectMeta` is declared a layer above, so this module
uses a protocol with its fields.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, forbidden, invalid, required

ANNOTATIONS_MAX_BYTES = 256 * 1024
STANDARD_FINALIZERS = frozenset(("orphan", "foregroundDeletion", "kubernetes"))


class Owner(Protocol):
    """`metav1.OwnerReference`."""

    apiVersion: str
    kind: str
    name: str
    uid: str
    controller: bool | None


class Meta(Protocol):
    """`metav1.ObjectMeta`."""

    name: str
    generateName: str
    namespace: str
    uid: str
    resourceVersion: str
    creationTimestamp: str | None
    deletionTimestamp: str | None
    labels: dict[str, str]
    annotations: dict[str, str]
    finalizers: list[str]

    @property
    def ownerReferences(self) -> Sequence[Owner]: ...


def check_metadata(kind: Kind[Any], meta: Meta) -> list[FieldError]:
    """Returns every error in the metadata of an object that is about to be created or updated."""
    errors = list(_check_names(kind, meta))
    if meta.labels:
        errors += check_labels(meta.labels, "metadata.labels")
    if meta.annotations:
        errors += check_annotations(meta.annotations, "metadata.annotations")
    if meta.ownerReferences:
        errors += check_owners(meta.ownerReferences, "metadata.ownerReferences")
    if meta.finalizers:
        errors += check_finalizers(meta.finalizers, "metadata.finalizers", qualified=kind.qualified_finalizers)
    return errors


def _check_names(kind: Kind[Any], meta: Meta) -> Iterator[FieldError]:
    rule = names.NAME_RULES[kind.name_rule]
    if meta.generateName:
        for text in rule(names.as_prefix(meta.generateName)):
            yield invalid("metadata.generateName", meta.generateName, text)
    if meta.name:
        for text in rule(meta.name):
            yield invalid("metadata.name", meta.name, text)
    elif not meta.generateName:
        yield required("metadata.name", "name or generateName is required")
    if not kind.namespaced:
        if meta.namespace:
            yield forbidden("metadata.namespace", "not allowed on this type")
    elif not meta.namespace:
        yield required("metadata.namespace")
    else:
        for text in names.dns1123_label(meta.namespace):
            yield invalid("metadata.namespace", meta.namespace, text)


def check_labels(labels: Mapping[str, str], path: str) -> Iterator[FieldError]:
    for key, value in labels.items():
        for text in names.qualified_name(key):
            yield invalid(path, key, text)
        for text in names.label_value(value):
            yield invalid(path, value, text)


def check_annotations(annotations: Mapping[str, str], path: str) -> Iterator[FieldError]:
    size = 0
    for key, value in annotations.items():
        for text in names.qualified_name(key.lower()):
            yield invalid(path, key, text)
        size += len(key.encode()) + len(value.encode())
    if size > ANNOTATIONS_MAX_BYTES:
        yield FieldError(path, "TooLong", None, f"may not be more than {ANNOTATIONS_MAX_BYTES} bytes")


def check_owners(owners: Sequence[Owner], path: str) -> Iterator[FieldError]:
    controller: Owner | None = None
    for owner in owners:
        if not owner.apiVersion:
            yield invalid(f"{path}.apiVersion", owner.apiVersion, "version must not be empty")
        for name in ("kind", "name", "uid"):
            if not getattr(owner, name):
                yield invalid(f"{path}.{name}", "", "must not be empty")
        if owner.controller and controller is not None:
            text = (
                'Only one reference can have Controller set to true. Found "true" in references for '
                f"{controller.kind}/{controller.name} and {owner.kind}/{owner.name}"
            )
            yield invalid(path, msgspec.to_builtins(owners), text)
        controller = owner if owner.controller else controller


def check_finalizers(finalizers: Sequence[str], path: str, *, qualified: bool) -> Iterator[FieldError]:
    for finalizer in finalizers:
        texts = names.qualified_name(finalizer)
        for text in texts:
            yield invalid(path, finalizer, text)
        if qualified and not texts and "/" not in finalizer and finalizer not in STANDARD_FINALIZERS:
            yield invalid(path, finalizer, "name is neither a standard finalizer name nor is it fully qualified")
    if {"orphan", "foregroundDeletion"} <= set(finalizers):
        yield invalid(path, list(finalizers), "finalizer orphan and foregroundDeletion cannot be both set")


def check_metadata_update(old: Meta, new: Meta) -> list[FieldError]:
    """Returns the errors of changes that an update may not make, in addition to `check_metadata`."""
    errors = list(_frozen(old, new))
    if old.deletionTimestamp:
        added = [f for f in new.finalizers if f not in old.finalizers]
        if added:
            shown = ", ".join(f'"{f}"' for f in added)
            text = "no new finalizers can be added if the object is being deleted, found new finalizers "
            errors.append(forbidden("metadata.finalizers", f"{text}[]string{{{shown}}}"))
    return errors


def _frozen(old: Meta, new: Meta) -> Iterator[FieldError]:
    for name in ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp"):
        if getattr(old, name) != getattr(new, name):
            yield invalid(f"metadata.{name}", getattr(new, name), "field is immutable")
