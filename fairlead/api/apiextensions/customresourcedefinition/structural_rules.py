"""Checks that a schema is structural: types are given outside of allOf, anyOf, oneOf and not, and everything checked
inside of them is also specified outside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from fairlead.api.apiextensions.structural.node import (
    EMBEDDED,
    INT_OR_STRING,
    LIST_KEYS,
    LIST_TYPE,
    MAP_TYPE,
    PRESERVE,
    RULES,
)
from fairlead.cel.regexes import compile_pattern
from fairlead.machinery.values.status import FieldError, forbidden, invalid, required

Tree = Mapping[str, Any]
Level = Literal["root", "item", "field"]

_INT_OR_STRING_FORM = [{"type": "integer"}, {"type": "string"}]
_EMPTY = {
    "root": "must not be empty at the root",
    "item": "must not be empty for specified array items",
    "field": "must not be empty for specified object fields",
}
_FORBIDDEN = {
    "type": "must be empty to be structural",
    "additionalProperties": "must be undefined to be structural",
    "default": "must be undefined to be structural",
    "title": "must be empty to be structural",
    "description": "must be empty to be structural",
    "nullable": "must be false to be structural",
    PRESERVE: "must be false to be structural",
    EMBEDDED: "must be false to be structural",
    INT_OR_STRING: "must be false to be structural",
    LIST_KEYS: "must be empty to be structural",
    LIST_TYPE: "must be undefined to be structural",
    MAP_TYPE: "must be undefined to be structural",
}
"""Fields that may not be set within allOf, anyOf, oneOf and not."""


def structural_errors(schema: Tree, path: str) -> list[FieldError]:
    """Returns all errors, sorted by their text as upstream sorts them."""
    return sorted([*_invariants(schema, "root", path), *_completeness(schema, schema, path, path)], key=str)


def _key(path: str, name: str) -> str:
    return f"{path}.properties[{name}]"


def _invariants(schema: Tree, level: Level, path: str) -> Iterator[FieldError]:
    items, extra = schema.get("items"), schema.get("additionalProperties")
    if schema.get("type") == "array" and items is None:
        yield required(f"{path}.items", "must be specified")
    if isinstance(items, Mapping):
        yield from _invariants(items, "item", f"{path}.items")
    for name, prop in (schema.get("properties") or {}).items():
        yield from _invariants(prop, "field", _key(path, name))
    if extra is not None:
        if level == "root":
            yield forbidden(f"{path}.additionalProperties", "must not be used at the root")
        if isinstance(extra, Mapping):
            yield from _invariants(extra, "field", f"{path}.additionalProperties")
    yield from _extension_errors(schema, path)
    yield from _value_errors(schema, path, level)
    yield from _type_errors(schema, level, path)
    yield from _meta_errors(schema, level, path)


def _extension_errors(schema: Tree, path: str) -> Iterator[FieldError]:
    if schema.get(INT_OR_STRING):
        for name in (PRESERVE, EMBEDDED):
            if schema.get(name):
                yield invalid(f"{path}.{name}", True, f"must be false if {INT_OR_STRING} is true")


def _type_errors(schema: Tree, level: Level, path: str) -> Iterator[FieldError]:
    kind = schema.get("type") or ""
    if schema.get(EMBEDDED) and kind != "object":
        text = f"must be object if {EMBEDDED} is true"
        yield invalid(f"{path}.type", kind, text) if kind else required(f"{path}.type", text)
    elif not kind and not schema.get(INT_OR_STRING) and not schema.get(PRESERVE):
        yield required(f"{path}.type", _EMPTY[level])
    if schema.get(EMBEDDED) and schema.get("additionalProperties") is not None:
        yield forbidden(f"{path}.additionalProperties", f"must not be used if {EMBEDDED} is set")
    if level == "root" and kind not in ("", "object"):
        yield invalid(f"{path}.type", kind, "must be object at the root")


def _meta_errors(schema: Tree, level: Level, path: str) -> Iterator[FieldError]:
    props = schema.get("properties") or {}
    checked = level == "root" or schema.get(EMBEDDED)
    for name in ("kind", "apiVersion"):
        if checked and name in props and props[name].get("type") != "string":
            yield invalid(f"{_key(path, name)}.type", props[name].get("type") or "", "must be string")
    metadata = props.get("metadata")
    if metadata is not None:
        at = _key(path, "metadata")
        if checked and metadata.get("type") != "object":
            yield invalid(f"{at}.type", metadata.get("type") or "", "must be object")
        if level == "root" and not _only_names(metadata):
            text = "must not specify anything other than name and generateName, but metadata is implicitly specified"
            yield forbidden(at, text)
    if schema.get(EMBEDDED) and not schema.get(PRESERVE) and not props:
        text = f"must not be empty if {EMBEDDED} is true without {PRESERVE}"
        yield required(f"{path}.properties", text)


def _only_names(metadata: Tree) -> bool:
    rest = {key for key, value in metadata.items() if value} - {"type", "default", "description", "title", "properties"}
    return not rest and set(metadata.get("properties") or ()) <= {"name", "generateName"}


def _value_errors(schema: Tree, path: str, level: Level) -> Iterator[FieldError]:
    """Yields the errors of value validations. The form that repeats int-or-string in anyOf is allowed."""
    any_of, all_of = schema.get("anyOf") or [], schema.get("allOf") or []
    if any_of != _INT_OR_STRING_FORM:
        for at, one in enumerate(any_of):
            yield from _nested(one, f"{path}.anyOf[{at}]", level)
    for at, one in enumerate(all_of):
        skips = at == 0 and one.get("anyOf") == _INT_OR_STRING_FORM
        yield from _nested(one, f"{path}.allOf[{at}]", level, skip_any_of=skips)
    for at, one in enumerate(schema.get("oneOf") or []):
        yield from _nested(one, f"{path}.oneOf[{at}]", level)
    if schema.get("not") is not None:
        yield from _nested(schema["not"], f"{path}.not", level)
    pattern = schema.get("pattern")
    if pattern:
        try:
            compile_pattern(pattern)
        except ValueError as e:
            yield invalid(f"{path}.pattern", pattern, f"must be a valid regular expression, but isn't: {e}")


def _nested(schema: Tree, path: str, level: Level, *, skip_any_of: bool = False) -> Iterator[FieldError]:
    shown = {key: value for key, value in schema.items() if key != "anyOf"} if skip_any_of else schema
    yield from _value_errors(shown, path, level)
    if isinstance(schema.get("items"), Mapping):
        yield from _nested(schema["items"], f"{path}.items", level)
    props = schema.get("properties") or {}
    for name, prop in props.items():
        yield from _nested(prop, _key(path, name), "field")
    yield from (forbidden(f"{path}.{name}", text) for name, text in _FORBIDDEN.items() if schema.get(name) is not None)
    if schema.get(RULES):
        yield forbidden(f"{path}.{RULES}", "must be empty to be structural")
    if "metadata" in props:
        yield forbidden(_key(path, "metadata"), "must not be specified in a nested context")


def _completeness(nested: Tree, schema: Tree | None, path: str, nested_path: str) -> Iterator[FieldError]:
    """Yields an error for each field that is checked in a nested schema and not specified outside."""
    found = [(nested["not"], f"{nested_path}.not")] if nested.get("not") is not None else []
    for name in ("allOf", "anyOf", "oneOf"):
        found += [(one, f"{nested_path}.{name}[{at}]") for at, one in enumerate(nested.get(name) or [])]
    for one, at in found:
        yield from _nested_completeness(one, schema, path, at)


def _nested_completeness(nested: Tree, schema: Tree | None, path: str, nested_path: str) -> Iterator[FieldError]:
    if schema is None:
        yield required(path, f"because it is defined in {nested_path}")
        return
    yield from _completeness(nested, schema, path, nested_path)
    items = schema.get("items")
    if isinstance(nested.get("items"), Mapping):
        inner = items if isinstance(items, Mapping) else None
        yield from _nested_completeness(nested["items"], inner, f"{path}.items", f"{nested_path}.items")
    for name, prop in (nested.get("properties") or {}).items():
        known = (schema.get("properties") or {}).get(name)
        yield from _nested_completeness(prop, known, _key(path, name), _key(nested_path, name))
