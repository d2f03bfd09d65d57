"""Checks of a version's schema: supported fields, list and map types, rules in CEL with their estimated cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fairlead.api.apiextensions.customresourcedefinition.list_rules import list_errors
from fairlead.api.apiextensions.customresourcedefinition.rule_costs import CostContext
from fairlead.api.apiextensions.customresourcedefinition.rule_texts import shape_errors
from fairlead.api.apiextensions.structural.node import EMBEDDED, LIST_TYPE, MAP_TYPE, META, PRESERVE, RULES
from fairlead.base.dataclass import dataclass, field, replace
from fairlead.machinery.values.status import FieldError, forbidden, invalid, not_supported

Tree = Mapping[str, Any]

_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_REFUSED = {
    "id": "id is not supported",
    "additionalItems": "additionalItems is not supported",
    "patternProperties": "patternProperties is not supported",
    "definitions": "definitions is not supported",
    "dependencies": "dependencies is not supported",
    "$ref": "$ref is not supported",
}


@dataclass(frozen=True, slots=True)
class Place:
    """The position of a schema, and what is not allowed there."""

    path: str
    no_default: str = ""
    """The reason if defaults are not allowed."""
    in_meta: bool = False
    no_old: str = ""
    """The path of the schema around whose old and new values cannot be matched."""

    def below(self, step: str) -> Place:
        return replace(self, path=f"{self.path}.{step}")


@dataclass(slots=True)
class Errors:
    """Errors of schemas, and errors of rules, which are compiled only in schemas without errors."""

    of_schema: list[FieldError] = field(default_factory=list)
    of_rules: list[FieldError] = field(default_factory=list)


def openapi_errors(schema: Tree, path: str, cost: CostContext | None) -> list[FieldError]:
    """Returns the errors of a schema and everything in it. Rules are compiled if `cost` is given."""
    found = Errors()
    _check(schema, Place(path), found, cost, root=True)
    return found.of_schema + found.of_rules


def _check(schema: Tree, place: Place, found: Errors, cost: CostContext | None, *, root: bool = False) -> None:
    begin = len(found.of_schema)
    found.of_schema += _own_errors(schema, place)
    _check_children(schema, place, found, cost, root=root)
    found.of_schema += _kubernetes_errors(schema, place.path)
    found.of_schema += list_errors(schema, place.path)
    found.of_schema += shape_errors(schema, place.path)
    if schema.get(RULES) and cost is not None and len(found.of_schema) == begin:
        from fairlead.api.apiextensions.customresourcedefinition.cel_rules import rule_errors  # imports CEL

        found.of_rules += rule_errors(schema, place.path, cost, no_old=place.no_old)


def _own_errors(schema: Tree, place: Place) -> Iterator[FieldError]:
    path, kind = place.path, schema.get("type")
    if kind and kind not in _TYPES:
        yield not_supported(f"{path}.type", kind, _TYPES)
    if schema.get("default") is not None and place.no_default:
        yield forbidden(f"{path}.default", f"must not be set {place.no_default}")
    for name, text in _REFUSED.items():
        if schema.get(name) not in (None, "", {}):
            yield forbidden(f"{path}.{name}", text)
    if kind == "null":
        yield forbidden(f"{path}.type", "type cannot be set to null, use nullable as an alternative")
    if isinstance(schema.get("items"), list):
        yield forbidden(f"{path}.items", "items must be a schema object and not an array")
    if place.in_meta and schema.get(EMBEDDED):
        yield forbidden(f"{path}.{EMBEDDED}", "must not be used inside of resource meta")
    if schema.get("uniqueItems"):
        text = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield forbidden(f"{path}.uniqueItems", text)
    if schema.get("additionalProperties") not in (None, True) and schema.get("properties"):
        yield forbidden(f"{path}.additionalProperties", "additionalProperties and properties are mutual exclusive")


def _check_children(schema: Tree, place: Place, found: Errors, cost: CostContext | None, *, root: bool) -> None:
    extra, items = schema.get("additionalProperties"), schema.get("items")
    if isinstance(extra, Mapping):
        inner = place.below("additionalProperties")
        if place.in_meta:
            inner = replace(inner, no_default="inside additionalProperties applying to object metadata")
        _check(extra, inner, found, cost.child(extra) if cost is not None else None)
    for name, prop in (schema.get("properties") or {}).items():
        inner = _property_place(schema, place, name, root=root)
        _check(prop, inner, found, cost.child(prop, name) if cost is not None else None)
    for name in ("not", "allOf", "oneOf", "anyOf"):
        nested = schema.get(name)
        if isinstance(nested, Mapping):
            _check(nested, place.below(name), found, None)
        for at, one in enumerate(nested if isinstance(nested, list) else ()):
            _check(one, place.below(f"{name}[{at}]"), found, None)
    for name, one in (schema.get("definitions") or {}).items():
        _check(one, place.below(f"definitions[{name}]"), found, None)
    if items is not None:
        inner = place.below("items")
        if schema.get(LIST_TYPE) != "map" and not place.no_old:
            inner = replace(inner, no_old=place.path)
        if isinstance(items, Mapping):
            _check(items, inner, found, cost.child(items) if cost is not None else None)


def _property_place(schema: Tree, place: Place, name: str, *, root: bool) -> Place:
    inner = place.below(f"properties[{name}]")
    if schema.get(MAP_TYPE) not in (None, "granular", "atomic") and not place.no_old:
        inner = replace(inner, no_old=place.path)
    if (root or schema.get(EMBEDDED)) and name in META:
        inner = replace(inner, in_meta=True)
        if root:
            inner = replace(inner, no_default=f"in top-level {name}")
    return inner


def _kubernetes_errors(schema: Tree, path: str) -> Iterator[FieldError]:
    if schema.get(PRESERVE) is False:
        yield invalid(f"{path}.{PRESERVE}", False, "must be true or undefined")
