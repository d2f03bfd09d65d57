"""The types of CEL, and how they unify.

`dyn` fits every type. A type parameter (`param`) stands for one type within a call; the checker binds it. Struct types
are compared by name: a name is unique within an environment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

Kind = Literal[
    "bool", "int", "uint", "double", "string", "bytes", "null_type", "timestamp", "duration",
    "list", "map", "struct", "opaque", "type", "dyn", "error", "param",
]  # fmt: skip

_SHOWN = {
    "timestamp": "timestamp",
    "duration": "duration",
    "null_type": "null",
    "error": "!error!",
}
_NULLABLE = frozenset(("opaque", "struct", "duration", "timestamp"))


class StructField(NamedTuple):
    """A field of a struct type: its type, and the key of the value in a JSON object."""

    type: Type
    key: str


class Type:
    """A type. `fields` of a struct are read on first use, because schemas are large and rules touch few fields."""

    __slots__ = ("_fields", "kind", "max_elements", "min_size", "name", "params")

    def __init__(
        self,
        kind: Kind,
        name: str = "",
        params: tuple[Type, ...] = (),
        fields: Callable[[], Mapping[str, StructField]] | Mapping[str, StructField] | None = None,
        max_elements: int | None = None,
    ) -> None:
        self.kind = kind
        self.name = name or kind
        self.params = params
        self._fields = fields
        self.max_elements = max_elements
        """The greatest size of a string, list or map, if the schema bounds it."""

    @property
    def fields(self) -> Mapping[str, StructField]:
        if callable(self._fields):
            self._fields = self._fields()
        return self._fields or {}

    def same(self, other: Type) -> bool:
        """Returns whether both types are exactly the same."""
        return self is other or (
            self.kind == other.kind
            and self.name == other.name
            and len(self.params) == len(other.params)
            and all(map(Type.same, self.params, other.params))
        )

    def __str__(self) -> str:
        if self.kind in _SHOWN and not self.params:
            return _SHOWN[self.kind]
        return f"{self.name}({', '.join(map(str, self.params))})" if self.params else self.name

    __repr__ = __str__


BOOL, INT, UINT, DOUBLE = Type("bool"), Type("int"), Type("uint"), Type("double")
STRING, BYTES, NULL = Type("string"), Type("bytes"), Type("null_type")
TIMESTAMP = Type("timestamp", "google.protobuf.Timestamp")
DURATION = Type("duration", "google.protobuf.Duration")
DYN, ERROR, TYPE = Type("dyn"), Type("error"), Type("type")
OPTIONAL = "optional_type"


def list_of(item: Type, max_elements: int | None = None) -> Type:
    return Type("list", params=(item,), max_elements=max_elements)


def map_of(key: Type, value: Type, max_elements: int | None = None) -> Type:
    return Type("map", params=(key, value), max_elements=max_elements)


def optional_of(inner: Type) -> Type:
    return Type("opaque", OPTIONAL, (inner,))


def opaque(name: str) -> Type:
    return Type("opaque", name)


def struct(name: str, fields: Mapping[str, Type]) -> Type:
    """Returns a struct type whose fields have the same names in expressions and in JSON."""
    return Type("struct", name, fields={key: StructField(type, key) for key, type in fields.items()})


def is_optional(type: Type) -> bool:
    return type.kind == "opaque" and type.name == OPTIONAL


def unwrapped(type: Type) -> tuple[Type, bool]:
    """Returns the type within an optional type, and whether it was one."""
    return (type.params[0], True) if is_optional(type) else (type, False)


def is_dyn(type: Type) -> bool:
    return type.kind in ("dyn", "error")


def parameters(type: Type) -> Iterator[str]:
    """Yields the names of the type parameters in a type."""
    if type.kind == "param":
        yield type.name
    for inner in type.params:
        yield from parameters(inner)


class Bindings:
    """The types that type parameters stand for."""

    def __init__(self) -> None:
        self._bound: dict[str, Type] = {}
        self._fresh = 0

    def fresh(self) -> Type:
        """Returns a new type parameter."""
        self._fresh += 1
        return Type("param", f"_var{self._fresh - 1}")

    def instantiate(self, types: tuple[Type, ...]) -> tuple[Type, ...]:
        """Returns the types of an overload with new type parameters."""
        names = {name for type in types for name in parameters(type)}
        if not names:
            return types
        new = {name: self.fresh() for name in sorted(names)}
        return tuple(_renamed(type, new) for type in types)

    def assignable(self, given: tuple[Type, ...], expected: tuple[Type, ...]) -> bool:
        """Returns whether the given types fit, and binds parameters if they do."""
        before = dict(self._bound)
        if len(given) == len(expected) and all(map(self._fits, given, expected)):
            return True
        self._bound = before
        return False

    def resolve(self, type: Type, *, final: bool = False) -> Type:
        """Returns the type with parameters replaced; `final` replaces unbound ones by dyn."""
        if type.kind == "param":
            bound = self._bound.get(type.name)
            if bound is not None:
                return self.resolve(bound, final=final)
            return DYN if final else type
        if not type.params:
            return type
        params = tuple(self.resolve(inner, final=final) for inner in type.params)
        if all(new is old for new, old in zip(params, type.params, strict=True)):
            return type
        return Type(type.kind, type.name, params, type._fields, type.max_elements)

    def _fits(self, one: Type, other: Type) -> bool:
        if other.kind == "param":
            valid, bound = self._substitutes(one, other)
            if valid or bound:
                return valid
        if one.kind == "param":
            return self._substitutes(other, one)[0]
        if is_dyn(one) or is_dyn(other):
            return True
        if one.kind == "null_type":
            return other.kind in _NULLABLE or other.kind == "null_type"
        if other.kind == "null_type":
            return one.kind in _NULLABLE
        if one.kind == "type":
            return other.kind == "type"
        if one.kind != other.kind or one.name != other.name or len(one.params) != len(other.params):
            return False
        return all(map(self._fits, one.params, other.params))

    def _substitutes(self, type: Type, param: Type) -> tuple[bool, bool]:
        """Returns whether the type may stand for the parameter, and whether the parameter is bound already."""
        if type.kind == "param" and type.name == param.name:
            return True, True
        bound = self._bound.get(param.name)
        if bound is not None:
            if type.same(bound):
                return True, True
            if not self._fits(type, bound):
                return False, True
            general = most_general(type, bound)
            if not self._occurs(param, general):
                self._bound[param.name] = general
            return True, True
        if self._occurs(param, type):
            return False, False
        self._bound[param.name] = type
        return True, False

    def _occurs(self, param: Type, within: Type) -> bool:
        if within.kind == "param":
            if within.name == param.name:
                return True
            bound = self._bound.get(within.name)
            return bound is not None and self._occurs(param, bound)
        return any(self._occurs(param, inner) for inner in within.params)


def most_general(one: Type, other: Type) -> Type:
    return one if _less_specific(one, other) else other


def _less_specific(one: Type, other: Type) -> bool:
    if one.kind in ("dyn", "param"):
        return True
    if other.kind in ("dyn", "param") or one.kind != other.kind:
        return False
    if one.kind == "type":
        return True
    return (
        one.name == other.name
        and len(one.params) == len(other.params)
        and all(map(_less_specific, one.params, other.params))
    )


def _renamed(type: Type, new: Mapping[str, Type]) -> Type:
    if type.kind == "param":
        return new[type.name]
    if not type.params:
        return type
    return Type(type.kind, type.name, tuple(_renamed(inner, new) for inner in type.params), type._fields)


_BY_NAME: dict[str, Type] = {
    "bool": BOOL, "int": INT, "uint": UINT, "double": DOUBLE, "string": STRING, "bytes": BYTES, "null": NULL,
    "timestamp": TIMESTAMP, "duration": DURATION, "dyn": DYN, "type": TYPE,
}  # fmt: skip


def parse_type(text: str, named: Mapping[str, Type] | None = None) -> Type:
    """Reads a type as declarations write it: `list<string>`, `optional<T>`, `map<K, V>`. One capital letter is a type
    parameter; other unknown names are opaque types."""
    text = text.strip()
    head, angle, rest = text.partition("<")
    if angle:
        inner = [parse_type(part, named) for part in _split(rest[:-1])]
        if head == "map":
            return map_of(inner[0], inner[1])
        return list_of(inner[0]) if head == "list" else optional_of(inner[0])
    if len(head) == 1 and head.isupper():
        return Type("param", head)
    return (named or {}).get(head) or _BY_NAME.get(head) or opaque(head)


def _split(text: str) -> list[str]:
    """Splits at the commas outside of angle brackets."""
    parts, depth, begin = [], 0, 0
    for at, char in enumerate(text):
        depth += (char == "<") - (char == ">")
        if char == "," and not depth:
            parts.append(text[begin:at])
            begin = at + 1
    return [*parts, text[begin:]] if text.strip() else []


def parse_signature(text: str, named: Mapping[str, Type] | None = None) -> tuple[tuple[Type, ...], Type]:
    """Reads `string, int -> list<string>`. Returns the types of the arguments and of the result."""
    args, _, result = text.rpartition("->")
    return tuple(parse_type(part, named) for part in _split(args)), parse_type(result, named)


_OPAQUE = (
    "kubernetes.Quantity",
    "kubernetes.URL",
    "kubernetes.Semver",
    "kubernetes.NamedFormat",
    "net.IP",
    "net.CIDR",
)


def named_types() -> Mapping[str, Any]:
    """Returns the names that stand for types in expressions (`type(x) == int`)."""
    found: dict[str, Type] = {kind.name: kind for kind in (BOOL, INT, UINT, DOUBLE, STRING, BYTES, NULL, TYPE)}
    found |= {"list": list_of(DYN), "map": map_of(DYN, DYN)}
    found |= {t.name: t for t in (TIMESTAMP, DURATION)} | {OPTIONAL: optional_of(DYN)}
    found |= {name: opaque(name) for name in _OPAQUE}
    return found
