"""Fits a JSON tree to a schema, and reports in upstream's words what does not fit.

This is the slow half of decoding: it runs only if the fast decoder refused a body, and finds all errors, while the fast
decoder stops at the first. As in Go's JSON: `null` means absent (and the zero value inside a list or map), field names
are exact, and a value of the wrong type is an error whatever the field validation says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fairlead.base.dataclass import dataclass, field
from fairlead.machinery.schemas.markers import Alternative
from fairlead.machinery.schemas.schema import Schema, TypeInfo
from fairlead.machinery.schemas.wire import bad_value, int_fits


class WrongTypeError(Exception):
    """A value that the field's type cannot hold; the text is that of Go's decoder."""


class Pairs(dict[str, Any]):
    """A JSON object with repeated keys, which keeps its members in document order."""

    given: Sequence[tuple[str, Any]] = ()


def pairs_hook(pairs: list[tuple[str, Any]]) -> Pairs:
    """Builds the object for `json.loads(object_pairs_hook=...)`."""
    result = Pairs(pairs)
    if len(result) < len(pairs):
        result.given = pairs
    return result


def members(tree: dict[str, Any]) -> Iterator[tuple[str, Any, bool]]:
    """Yields key and value in document order, and whether the same object had the key before."""
    seen: set[str] = set()
    for name, value in getattr(tree, "given", ()) or tree.items():
        yield name, value, name in seen
        seen.add(name)


@dataclass(slots=True)
class Pruner:
    """Walks one tree. `problems` holds the texts of unknown and repeated fields in document order."""

    problems: list[str] = field(default_factory=list)

    def prune(self, schema: Schema, tree: Any) -> dict[str, Any]:
        """Returns the tree without nulls and unknown fields. Raises WrongType."""
        if not isinstance(tree, dict):
            raise WrongTypeError(f"json: cannot unmarshal {_json_kind(tree)} into Go value of type v1.{schema.name}")
        return self._struct(schema, tree, _Place("", "", schema.name))

    def without_repeats(self, tree: Any, path: str = "") -> Any:
        """Returns a tree without a schema as plain dicts, and notes repeated fields; the last value counts."""
        if isinstance(tree, dict):
            found = {}
            for name, value, again in members(tree):
                below = f"{path}.{name}" if path else name
                if again:
                    self.problems.append(f'duplicate field "{below}"')
                found[name] = self.without_repeats(value, below)
            return found
        if isinstance(tree, list):
            return [self.without_repeats(one, f"{path}[{at}]") for at, one in enumerate(tree)]
        return tree

    def _struct(self, schema: Schema, tree: dict[str, Any], place: _Place) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for name, value, again in members(tree):
            known = schema.fields.get(name)
            if known is None:
                self.problems.append(f'unknown field "{place.child(name)}"')
                continue
            if again:
                self.problems.append(f'duplicate field "{place.child(name)}"')
                kept.pop(name, None)
            if value is not None:
                kept[name] = self._value(known.type, value, place.field(name, schema.name))
        return kept

    def _value(self, info: TypeInfo, value: Any, place: _Place) -> Any:
        match info.shape:
            case "struct" if info.schema is not None:
                if not isinstance(value, dict):
                    return self._alternative(info, value, place)
                return self._struct(info.schema, value, place)
            case "list":
                return self._list(info, value, place)
            case "map":
                return self._map(info, value, place)
            case "raw":
                return value
            case _:
                return _scalar(info, value, place)

    def _alternative(self, info: TypeInfo, value: Any, place: _Place) -> Any:
        """Returns a value of the other form that a struct may have."""
        form = info.marker(Alternative)
        if form is None or not isinstance(value, form.other):
            raise place.wrong(info, value)
        if isinstance(value, list):
            return [self._value(info, one, place.index(f"[{at}]")) for at, one in enumerate(value)]
        return value

    def _list(self, info: TypeInfo, value: Any, place: _Place) -> list[Any]:
        if not isinstance(value, list):
            raise place.wrong(info, value)
        item = info.item or info
        return [_zero(item) if v is None else self._value(item, v, place.index(f"[{i}]")) for i, v in enumerate(value)]

    def _map(self, info: TypeInfo, value: Any, place: _Place) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise place.wrong(info, value)
        item, result = info.item or info, {}
        for key, one, again in members(value):
            if again:
                self.problems.append(f'duplicate field "{place.child(key)}"')
            result[key] = _zero(item) if one is None else self._value(item, one, place.index(f".{key}"))
        return result


@dataclass(frozen=True, slots=True)
class _Place:
    """The position of the walk. Upstream names unknown fields by full path (`spec.ports[0].zz`), but fields of the
    wrong type by struct and by path without indices or keys (`ServicePort.spec.ports.port`)."""

    path: str
    fields: str
    owner: str

    def child(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def field(self, name: str, owner: str) -> _Place:
        return _Place(self.child(name), f"{self.fields}.{name}" if self.fields else name, owner)

    def index(self, suffix: str) -> _Place:
        return _Place(self.path + suffix, self.fields, self.owner)

    def wrong(self, info: TypeInfo, value: Any, *, exact: bool = False) -> WrongTypeError:
        json_type = f"number {value}" if exact else _json_kind(value)
        target = f"{self.owner}.{self.fields}"
        return WrongTypeError(
            f"json: cannot unmarshal {json_type} into Go struct field {target} of type {info.go_name()}"
        )


def _scalar(info: TypeInfo, value: Any, place: _Place) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    match info.shape:
        case "string" | "bytes":
            fits = isinstance(value, str)
        case "bool":
            fits = isinstance(value, bool)
        case "int":
            if number and not int_fits(info, value):
                raise place.wrong(info, value, exact=True)
            fits = number
        case "int-or-string":
            if number and not int_fits(info, value):
                raise place.wrong(info, value, exact=True)
            fits = number or isinstance(value, str)
        case "quantity":
            fits = number or isinstance(value, str)
        case _:
            fits = number
    if not fits:
        raise place.wrong(info, value)
    text = bad_value(info, value)
    if text:
        raise WrongTypeError(text)
    return value


def _zero(info: TypeInfo) -> Any:
    match info.shape:
        case "struct" | "map":
            return {}
        case "list":
            return []
        case "bool":
            return False
        case "int" | "float" | "int-or-string":
            return 0
        case "quantity":
            return "0"
        case "raw":
            return None
        case _:
            return ""


def _json_kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "bool"
        case str():
            return "string"
        case int() | float():
            return "number"
        case list():
            return "array"
        case _:
            return "object"
