"""Checks of list types, list keys and map types in a schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fairlead.api.apiextensions.structural.node import LIST_KEYS, LIST_TYPE, MAP_TYPE
from fairlead.machinery.values.status import FieldError, forbidden, invalid, not_supported, required

Tree = Mapping[str, Any]


def list_errors(schema: Tree, path: str) -> list[FieldError]:
    """Returns the errors of one schema."""
    found = [*_map_type(schema, path), *_list_type(schema, path), *_list_keys(schema, path)]
    if schema.get(LIST_TYPE) == "map":
        found += _list_map(schema, path)
    return found + list(_key_errors(schema, path))


def _needs(schema: Tree, path: str, marker: str, kind: str) -> Iterator[FieldError]:
    if schema.get(marker) is not None and schema.get("type") != kind:
        text = f"must be {kind} if {marker} is specified"
        given = schema.get("type")
        yield invalid(f"{path}.type", given, text) if given else required(f"{path}.type", text)


def _map_type(schema: Tree, path: str) -> Iterator[FieldError]:
    yield from _needs(schema, path, MAP_TYPE, "object")
    if schema.get(MAP_TYPE) not in (None, "atomic", "granular"):
        yield not_supported(f"{path}.{MAP_TYPE}", schema[MAP_TYPE], ("atomic", "granular"))


def _list_type(schema: Tree, path: str) -> Iterator[FieldError]:
    kind, items = schema.get(LIST_TYPE), schema.get("items")
    wrong = list(_needs(schema, path, LIST_TYPE, "array"))
    yield from wrong
    if not wrong and kind == "set" and isinstance(items, Mapping):
        text = "must be atomic as item of a list with x-kubernetes-list-type=set"
        if items.get("type") == "array" and items.get(LIST_TYPE) not in (None, "atomic"):
            yield invalid(f"{path}.items.{LIST_TYPE}", items[LIST_TYPE], text)
        if items.get("type") == "object" and items.get(MAP_TYPE) != "atomic":
            yield invalid(f"{path}.items.{MAP_TYPE}", items.get(LIST_TYPE), text)
    if kind not in (None, "atomic", "set", "map"):
        yield not_supported(f"{path}.{LIST_TYPE}", kind, ("atomic", "set", "map"))


def _list_keys(schema: Tree, path: str) -> Iterator[FieldError]:
    if schema.get(LIST_KEYS):
        text = f"must be map if {LIST_KEYS} is non-empty"
        if schema.get(LIST_TYPE) is None:
            yield required(f"{path}.{LIST_TYPE}", text)
        elif schema[LIST_TYPE] != "map":
            yield invalid(f"{path}.{LIST_TYPE}", schema[LIST_TYPE], text)


def _list_map(schema: Tree, path: str) -> Iterator[FieldError]:
    keys, items = schema.get(LIST_KEYS) or [], schema.get("items")
    if not keys:
        yield required(f"{path}.{LIST_KEYS}", f"must not be empty if {LIST_TYPE} is map")
    if items is None:
        yield required(f"{path}.items", f"must have a schema if {LIST_TYPE} is map")
    if isinstance(items, list):
        yield invalid(f"{path}.items", items, f"must only have a single schema if {LIST_TYPE} is map")
    if not isinstance(items, Mapping):
        return
    if items.get("type") != "object":
        text = f"must be object if parent array's {LIST_TYPE} is map"
        yield invalid(f"{path}.items.type", items.get("type") or "", text)
        return
    seen: set[str] = set()
    for key in keys:
        prop = (items.get("properties") or {}).get(key)
        if prop is None:
            yield invalid(f"{path}.{LIST_KEYS}", keys, "entries must all be names of item properties")
        elif prop.get("type") in ("array", "object"):
            text = f"must be a scalar type if parent array's {LIST_TYPE} is map"
            yield invalid(f"{path}.items.properties[{key}].type", items.get("type"), text)
        if key in seen:
            yield invalid(f"{path}.{LIST_KEYS}", keys, "must not contain duplicate entries")
        seen.add(key)


def _key_errors(schema: Tree, path: str) -> Iterator[FieldError]:
    """Yields errors of nullable items, and of keys that an item may leave out."""
    kind, items = schema.get(LIST_TYPE), schema.get("items")
    if kind not in ("set", "map") or not isinstance(items, Mapping):
        return
    if items.get("nullable"):
        yield forbidden(f"{path}.items.nullable", f"cannot be nullable when {LIST_TYPE} is {kind}")
    if kind == "set":
        return
    for key in schema.get(LIST_KEYS) or ():
        prop = (items.get("properties") or {}).get(key)
        if prop is None:
            continue
        at = f"{path}.items.properties[{key}]"
        what = f"this property is in {LIST_KEYS}, so it"
        if key not in (items.get("required") or ()) and prop.get("default") is None:
            yield required(f"{at}.default", f"{what} must have a default or be a required property")
        if prop.get("nullable"):
            yield forbidden(f"{at}.nullable", f"{what} cannot be nullable")
