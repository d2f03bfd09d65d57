"""Checks of what a claim asks for: of PersistentVolumeClaims, and of the templates of claims.

Source of the rules and their texts: upstream's validation of PersistentVolumeClaim.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fairlead.api.core.amounts import canonicalize, value
from fairlead.api.core.pod.volumes.claim import PersistentVolumeClaimSpec, PersistentVolumeClaimTemplate
from fairlead.api.meta.reference import TypedLocalObjectReference, TypedObjectReference
from fairlead.api.meta.rules import label_selector
from fairlead.api.meta.types import ObjectMeta
from fairlead.machinery.kinds.metadata import check_annotations, check_labels
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, forbidden, invalid, not_supported, required

VOLUME_MODES = ("Block", "Filesystem")
_ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_ALONE = "ReadWriteOncePod"
_CLAIM = "PersistentVolumeClaim"


def default_claim_spec(spec: PersistentVolumeClaimSpec) -> None:
    canonicalize(spec.resources.requests)
    canonicalize(spec.resources.limits)
    if spec.volumeMode is None:
        spec.volumeMode = "Filesystem"


def claim_template_errors(template: PersistentVolumeClaimTemplate, path: str) -> Iterator[FieldError]:
    meta = template.metadata
    yield from check_annotations(meta.annotations, f"{path}.metadata.annotations")
    yield from check_labels(meta.labels, f"{path}.metadata.labels")
    empty = ObjectMeta()
    for field in ObjectMeta.__struct_fields__:
        if field not in ("annotations", "labels") and getattr(meta, field) != getattr(empty, field):
            yield forbidden(f"{path}.metadata.{field}", "cannot be set")
    yield from claim_spec_errors(template.spec, f"{path}.spec")


def claim_spec_errors(spec: PersistentVolumeClaimSpec, path: str) -> Iterator[FieldError]:
    if not spec.accessModes:
        yield required(f"{path}.accessModes", "at least 1 access mode is required")
    if spec.selector is not None:
        yield from label_selector(spec.selector, f"{path}.selector")
    yield from access_mode_errors(spec.accessModes, f"{path}.accessModes")
    yield from _storage_errors(spec, f"{path}.resources[storage]")
    yield from class_name_errors(spec.storageClassName, f"{path}.storageClassName")
    if spec.volumeMode is not None and spec.volumeMode not in VOLUME_MODES:
        yield not_supported(f"{path}.volumeMode", spec.volumeMode, VOLUME_MODES)
    yield from _source_errors(spec, path)
    yield from class_name_errors(spec.volumeAttributesClassName, f"{path}.volumeAttributesClassName")


def access_mode_errors(modes: Sequence[str], path: str) -> Iterator[FieldError]:
    for mode in modes:
        if mode not in _ACCESS_MODES:
            yield not_supported(path, mode, _ACCESS_MODES)
    if _ALONE in modes and any(mode in _ACCESS_MODES and mode != _ALONE for mode in modes):
        yield forbidden(path, "may not use ReadWriteOncePod with other access modes")


def class_name_errors(name: str | None, path: str) -> Iterator[FieldError]:
    for text in names.dns1123_subdomain(name) if name else ():
        yield invalid(path, name, text)


def _storage_errors(spec: PersistentVolumeClaimSpec, path: str) -> Iterator[FieldError]:
    amount = spec.resources.requests.get("storage")
    if amount is None:
        yield required(path)
    elif value(str(amount)) <= 0:
        yield invalid(path, str(amount), "must be greater than zero")


def _source_errors(spec: PersistentVolumeClaimSpec, path: str) -> Iterator[FieldError]:
    source, ref = spec.dataSource, spec.dataSourceRef
    if source is not None:
        yield from _reference_errors(source, f"{path}.dataSource")
    if ref is not None:
        yield from _reference_errors(ref, f"{path}.dataSourceRef")
        for text in names.dns1123_label(ref.namespace) if ref.namespace else ():
            yield invalid(f"{path}.dataSourceRef.namespace", ref.namespace, text)
    if source is None or ref is None:
        return
    # Upstream gives the path of the other field in place of the value.
    if ref.namespace:
        yield invalid(path, f"{path}.dataSource", "may not be specified when dataSourceRef.namespace is specified")
    elif (source.apiGroup, source.kind, source.name) != (ref.apiGroup, ref.kind, ref.name):
        yield invalid(path, f"{path}.dataSource", "must match dataSourceRef")


def _reference_errors(ref: TypedLocalObjectReference | TypedObjectReference, path: str) -> Iterator[FieldError]:
    if not ref.name:
        yield required(f"{path}.name")
    if not ref.kind:
        yield required(f"{path}.kind")
    if not ref.apiGroup and ref.kind != _CLAIM:
        yield invalid(path, ref.kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup")
    for text in names.dns1123_subdomain(ref.apiGroup) if ref.apiGroup else ():
        yield invalid(f"{path}.apiGroup", ref.apiGroup, text)


def complete_sources(spec: PersistentVolumeClaimSpec) -> None:
    """Copies the one data source that is given to the other field (KEP-1495). Without `dataSourceRef`, a source that
    is neither a claim nor a snapshot is dropped, as old servers did."""
    source, ref = spec.dataSource, spec.dataSourceRef
    if ref is None and source is not None:
        known = {(_CLAIM, ""), ("VolumeSnapshot", "snapshot.storage.k8s.io")}
        if (source.kind, source.apiGroup or "") not in known:
            spec.dataSource = None
            return
        spec.dataSourceRef = TypedObjectReference(kind=source.kind, name=source.name, apiGroup=source.apiGroup)
    elif source is None and ref is not None and not ref.namespace:
        spec.dataSource = TypedLocalObjectReference(kind=ref.kind, name=ref.name, apiGroup=ref.apiGroup)


def claim_warnings(spec: PersistentVolumeClaimSpec, path: str) -> Iterator[str]:
    for part, amounts in (("requests", spec.resources.requests), ("limits", spec.resources.limits)):
        amount = amounts.get("storage")
        if amount is not None and value(str(amount)).denominator != 1:
            yield (f'{path}.resources.{part}[storage]: fractional byte value "{amount}" is invalid, must be an integer')
