"""Embedded resources (`x-kubernetes-embedded-resource`): their kind, version and metadata are checked as in any
resource, and metadata of the wrong type is dropped on the way in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from fairlead.api.apiextensions.structural.node import Node, any_of
from fairlead.api.meta.types import ObjectMeta
from fairlead.machinery.kinds.metadata import check_annotations, check_finalizers, check_labels
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, invalid, required


def has_embedded(node: Node) -> bool:
    """Returns whether a schema has embedded resources."""
    return any_of(node, lambda one: one.embedded)


def embedded_errors(value: Any, node: Node | None, path: str = "") -> Iterator[FieldError]:
    """Yields the errors of kind, version and metadata of all embedded resources."""
    if node is None:
        return
    if isinstance(value, dict):
        if node.embedded:
            yield from _resource_errors(value, path)
        for key, one in value.items():
            prop = node.properties.get(key)
            if prop is not None:
                yield from embedded_errors(one, prop, f"{path}.{key}" if path else key)
            elif node.open:
                yield from embedded_errors(one, node.additional, f"{path}[{key}]")
    elif isinstance(value, list):
        for at, one in enumerate(value):
            yield from embedded_errors(one, node.items, f"{path}[{at}]")


def _resource_errors(value: dict[str, Any], path: str) -> Iterator[FieldError]:
    for name in ("apiVersion", "kind"):
        at = f"{path}.{name}" if path else name
        given = value.get(name)
        if name not in value:
            yield required(at)
        elif not isinstance(given, str):
            yield invalid(at, given, "must be a string")
        elif not given:
            yield invalid(at, given, "must not be empty")
        elif name == "apiVersion" and given.count("/") > 1:
            yield invalid(at, given, f"unexpected GroupVersion string: {given}")
        elif name == "kind" and (texts := names.dns1035_label(given.lower())):
            text = "may have mixed case, but should otherwise match: " + ",".join(texts)
            yield invalid(at, given, text)
    if "metadata" in value:
        yield from _metadata_errors(value["metadata"], f"{path}.metadata" if path else "metadata")


def _metadata_errors(tree: Any, path: str) -> Iterator[FieldError]:
    try:
        meta = msgspec.convert(tree, ObjectMeta)
    except msgspec.ValidationError as e:
        yield invalid(path, tree, str(e))
        return
    for name in ("name", "generateName"):
        given = getattr(meta, name)
        for text in names.path_segment(given) if given else ():
            yield invalid(f"{path}.{name}", given, text)
    for text in names.dns1123_label(meta.namespace) if meta.namespace else ():
        yield invalid(f"{path}.namespace", meta.namespace, text)
    yield from check_labels(meta.labels, f"{path}.labels")
    yield from check_annotations(meta.annotations, f"{path}.annotations")
    yield from check_finalizers(meta.finalizers, f"{path}.finalizers", qualified=False)


def coerce(value: Any, node: Node | None) -> None:
    """Removes, in place, fields of embedded metadata that are unknown or of the wrong type."""
    if node is None:
        return
    if isinstance(value, dict):
        if node.embedded and isinstance(value.get("metadata"), dict):
            value["metadata"] = _coerced(value["metadata"])
        for key, one in value.items():
            coerce(one, node.child(key))
    elif isinstance(value, list):
        for one in value:
            coerce(one, node.items)


def _coerced(tree: dict[str, Any]) -> dict[str, Any]:
    kept = {}
    for name, value in tree.items():
        try:
            msgspec.convert({name: value}, ObjectMeta)
        except msgspec.ValidationError:
            continue
        kept[name] = value
    return kept
