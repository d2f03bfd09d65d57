"""Checks values against the value validations of a schema, with the texts of upstream's OpenAPI validation.

On an update, a value that equals the old one is not checked (ratcheting): rules may have become stricter since it was
written.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fairlead.api.apiextensions.structural.node import Node
from fairlead.cel.regexes import compile_pattern
from fairlead.machinery.values.formats import format_test
from fairlead.machinery.values.quoting import go_quote
from fairlead.machinery.values.status import FieldError, invalid, required

_NO_OLD = object()
_COMPOSITE = "<nil>"
"""The path of errors about several schemas, as upstream prints it; their text names the field."""


def validate(value: Any, node: Node, path: str = "", *, old: Any = _NO_OLD) -> list[FieldError]:
    """Returns the errors of a value, below a path. If `old` is given, unchanged parts are not checked."""
    return list(_errors(value, node, path, old))


def _errors(value: Any, node: Node, path: str, old: Any) -> Iterator[FieldError]:
    if old is not _NO_OLD and same(value, old):
        return
    yield from _own_errors(value, node.own, node.types, path)
    if isinstance(value, dict):
        before = old if isinstance(old, dict) and old is not _NO_OLD else {}
        for key, one in value.items():
            below = node.child(key)
            if below is not None:
                yield from _errors(one, below, _below(path, key), before.get(key, _NO_OLD))
    elif isinstance(value, list) and node.items is not None:
        was = _by_key(old, node)
        for at, one in enumerate(value):
            yield from _errors(one, node.items, f"{path}[{at}]", was(one))


def _by_key(old: Any, node: Node) -> Callable[[Any], Any]:
    """Returns the function that finds the old item of an item, by the keys of the list."""
    if not node.keyed or not isinstance(old, list):
        return lambda _: _NO_OLD
    known = {key_of(item, node): item for item in old}
    return lambda item: known.get(key_of(item, node), _NO_OLD)


def key_of(item: Any, node: Node) -> str:
    """Returns what identifies an item of a list that is a map."""
    if not isinstance(item, dict) or node.items is None:
        return ""
    found = []
    for key in node.keyed:
        prop = node.items.properties.get(key)
        found.append(item.get(key, prop.own.get("default") if prop is not None else None))
    return json.dumps(found)


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def same(one: Any, other: Any) -> bool:
    """Returns whether two JSON values are equal; unlike in Python, 1 is not true."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def _own_errors(value: Any, own: Mapping[str, Any], types: tuple[str, ...], path: str) -> Iterator[FieldError]:
    """Yields the errors of a value by one schema, without those of its children."""
    wrong = _type_error(value, own, types, path)
    if wrong is not None:
        yield wrong
    if value is None:
        return
    yield from _composite_errors(value, own, path)
    if isinstance(value, str):
        yield from _text_errors(value, own, path)
    elif isinstance(value, list):
        yield from _size_errors(len(value), own, path, ("minItems", "maxItems", "items"))
    elif isinstance(value, dict):
        yield from _size_errors(len(value), own, path, ("minProperties", "maxProperties", "properties"))
        yield from (required(_below(path, key)) for key in own.get("required") or () if key not in value)
    elif not isinstance(value, bool):
        yield from _number_errors(value, own, path)
    choices = own.get("enum")
    if choices and not any(same(value, choice) for choice in choices):
        shown = [go_quote(choice if isinstance(choice, str) else json.dumps(choice)) for choice in choices]
        yield FieldError(path, "NotSupported", value, f"supported values: {', '.join(shown)}")


def json_type(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "string"
        case int():
            return "integer"
        case float():
            return "number"
        case list():
            return "array"
        case _:
            return "object"


def _named(path: str) -> str:
    return f"{path} in body" if path else " in body"


def _type_error(value: Any, own: Mapping[str, Any], types: tuple[str, ...], path: str) -> FieldError | None:
    if not types:
        return None
    actual = json_type(value)
    if value is None:
        fits = bool(own.get("nullable"))
    elif actual == "number":
        fits = "number" in types or ("integer" in types and math.isfinite(value) and value == int(value))
    else:
        fits = actual in types or (actual == "integer" and "number" in types)
    if fits:
        return None
    return _bad_type(path, ",".join(types), actual)


def _bad_type(path: str, expected: str, shown: str) -> FieldError:
    text = f"{_named(path)} must be of type {expected}: {json.dumps(shown, ensure_ascii=False)}"
    return FieldError(path or _COMPOSITE, "TypeInvalid", shown, text)


def _text_errors(value: str, own: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    longest, shortest, pattern = own.get("maxLength"), own.get("minLength"), own.get("pattern")
    if longest is not None and len(value) > longest:
        unit = "byte" if longest == 1 else "bytes"
        yield FieldError(path, "TooLong", None, f"may not be more than {longest} {unit}")
    if shortest is not None and len(value) < shortest:
        yield invalid(path, value, f"{_named(path)} should be at least {shortest} chars long")
    if pattern and not _matches(pattern, value):
        yield invalid(path, value, f"{_named(path)} should match '{pattern}'")
    format = str(own.get("format") or "")
    test = format_test(format) if format else None
    if test is not None and not test(value):
        yield _bad_type(path, format, value)


def _matches(pattern: str, value: str) -> bool:
    try:
        return compile_pattern(pattern).search(value) is not None
    except ValueError:
        return False


def _size_errors(size: int, own: Mapping[str, Any], path: str, names: tuple[str, str, str]) -> Iterator[FieldError]:
    least, most, what = own.get(names[0]), own.get(names[1]), names[2]
    if least is not None and size < least:
        yield invalid(path, size, f"{_named(path)} should have at least {least} {what}")
    if most is not None and size > most:
        unit = "item" if most == 1 else "items"
        yield FieldError(path, "TooMany", size, f"must have at most {most} {unit}")


def _number_errors(value: float, own: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    step, most, least = own.get("multipleOf"), own.get("maximum"), own.get("minimum")
    if step and not _is_multiple(value, step):
        yield invalid(path, value, f"{_named(path)} should be a multiple of {_go(step)}")
    if most is not None and (value >= most if own.get("exclusiveMaximum") else value > most):
        or_equal = "" if own.get("exclusiveMaximum") else " or equal to"
        yield invalid(path, value, f"{_named(path)} should be less than{or_equal} {_go(most)}")
    if least is not None and (value <= least if own.get("exclusiveMinimum") else value < least):
        or_equal = "" if own.get("exclusiveMinimum") else " or equal to"
        yield invalid(path, value, f"{_named(path)} should be greater than{or_equal} {_go(least)}")


def _is_multiple(value: float, step: float) -> bool:
    if isinstance(value, int) and isinstance(step, int):
        return value % step == 0
    quotient = value / step
    return abs(quotient - round(quotient)) < 1e-9


def _go(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)


# allOf, anyOf, oneOf, not


def _composite_errors(value: Any, own: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    if any_of := own.get("anyOf"):
        failures = _failures(value, any_of, path)
        if all(failures):
            yield _composite(path, "must validate at least one schema (anyOf)")
            yield from min(failures, key=len)
    if one_of := own.get("oneOf"):
        failures = _failures(value, one_of, path)
        valid = sum(not found for found in failures)
        if valid != 1:
            why = f"Found {valid} valid alternatives" if valid else "Found none valid"
            yield _composite(path, f"must validate one and only one schema (oneOf). {why}")
            if not valid:
                yield from min(failures, key=len)
    if all_of := own.get("allOf"):
        failures = _failures(value, all_of, path)
        for found in failures:
            yield from found
        if any(failures):
            why = ". None validated" if all(failures) else ""
            yield _composite(path, f"must validate all the schemas (allOf){why}")
    refused = own.get("not")
    if refused is not None and not list(_nested_errors(value, refused, path)):
        yield _composite(path, "must not validate the schema (not)")


def _composite(path: str, text: str) -> FieldError:
    return invalid(_COMPOSITE, "", f"{json.dumps(path)} {text}")


def _failures(value: Any, schemas: list[Mapping[str, Any]], path: str) -> list[list[FieldError]]:
    return [list(_nested_errors(value, schema, path)) for schema in schemas]


def _nested_errors(value: Any, schema: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    """Yields the errors of a value by a schema within allOf, anyOf, oneOf or not, which is a JSON tree."""
    types = (schema["type"],) if schema.get("type") else ()
    yield from _own_errors(value, schema, types, path)
    if isinstance(value, dict):
        props, rest = schema.get("properties") or {}, schema.get("additionalProperties")
        for key, one in value.items():
            below = props.get(key, rest)
            if isinstance(below, Mapping):
                yield from _nested_errors(one, below, _below(path, key))
    elif isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        for at, one in enumerate(value):
            yield from _nested_errors(one, schema["items"], f"{path}[{at}]")
