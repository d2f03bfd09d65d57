"""Dataclasses as JSON trees: one codec for both sides of the zygote's socket. Standard library only.

A class's annotations are read once, at the first use. What must stay true: `decode(T, encode(T, value)) == value`; a
missing field, an unknown field or a value of another type raises CodecError with the path of the field.

Supported: str, int, float, bool, `X | None`, Literal, `tuple[X, ...]`, `Mapping[str, X]`, dataclasses, and unions of
dataclasses, which `type` (the name of the class) tells apart. Rejected: pickle (it runs what a peer sends) and msgspec
(the zygote imports the standard library only).
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

TAG = "type"
_PLAIN = (str, int, float, bool)

Encode = Callable[[Any], Any]
Decode = Callable[[Any], Any]


class CodecError(ValueError):
    """A tree that is not a message; `path` leads to the wrong field."""

    def __init__(self, problem: str, path: str = "") -> None:
        super().__init__(f"{path}: {problem}" if path else problem)
        self.problem = problem
        self.path = path

    def inside(self, name: str) -> CodecError:
        """Returns the same error, seen from the owner of the field `name`."""
        separator = "." if self.path and not self.path.startswith("[") else ""
        return CodecError(self.problem, f"{name}{separator}{self.path}")


def encode(kind: Any, value: object) -> Any:
    """Returns the JSON tree of a value that is annotated as `kind`."""
    to_tree = _codec(kind)[0]
    return value if to_tree is None else to_tree(value)


def decode(kind: Any, tree: Any) -> Any:
    """Returns the value of a tree. Raises CodecError."""
    return _codec(kind)[1](tree)


@cache
def _codec(kind: Any) -> tuple[Encode | None, Decode]:
    """Returns both directions for an annotation; None encodes to the value itself."""
    if kind in _PLAIN:
        return None, _plain(kind)
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _union(arguments)
    if origin is Literal:
        return None, _literal(arguments)
    if origin is tuple and arguments[1:] == (Ellipsis,):
        return _tuple(arguments[0])
    if origin is Mapping and arguments[0] is str:
        return _mapping(arguments[1])
    raise TypeError(f"no codec for {kind!r}")


def _name(value: object) -> str:
    return "null" if value is None else type(value).__name__


def _plain(kind: type) -> Decode:
    allowed = (float, int) if kind is float else (kind,)

    def to_value(tree: Any) -> Any:
        if type(tree) not in allowed:  # and not isinstance: True is not a number
            raise CodecError(f"expected {kind.__name__}, got {_name(tree)}")
        return tree

    return to_value


def _literal(values: tuple[Any, ...]) -> Decode:
    def to_value(tree: Any) -> Any:
        if not isinstance(tree, str) or tree not in values:
            raise CodecError(f"expected one of {', '.join(map(repr, values))}, got {tree!r}")
        return tree

    return to_value


def _tuple(item: Any) -> tuple[Encode, Decode]:
    to_tree, to_value = _codec(item)

    def from_list(tree: Any) -> Any:
        if type(tree) is not list:
            raise CodecError(f"expected a list, got {_name(tree)}")
        found = []
        for number, one in enumerate(tree):
            try:
                found.append(to_value(one))
            except CodecError as error:
                raise error.inside(f"[{number}]") from None
        return tuple(found)

    return (list if to_tree is None else lambda value: [to_tree(one) for one in value]), from_list


def _mapping(item: Any) -> tuple[Encode, Decode]:
    to_tree, to_value = _codec(item)

    def from_dict(tree: Any) -> Any:
        if type(tree) is not dict:
            raise CodecError(f"expected an object, got {_name(tree)}")
        found = {}
        for key, one in tree.items():
            try:
                found[key] = to_value(one)
            except CodecError as error:
                raise error.inside(f"[{key}]") from None
        return found

    return (dict if to_tree is None else lambda value: {key: to_tree(one) for key, one in value.items()}), from_dict


def _dataclass(kind: Any) -> tuple[Encode, Decode]:
    hints = get_type_hints(kind)
    codecs = [(field.name, *_codec(hints[field.name])) for field in dataclasses.fields(kind)]
    names = {name for name, _, _ in codecs}

    def to_tree(value: Any) -> Any:
        return {
            name: getattr(value, name) if encode_field is None else encode_field(getattr(value, name))
            for name, encode_field, _ in codecs
        }

    def to_value(tree: Any) -> Any:
        if type(tree) is not dict:
            raise CodecError(f"expected an object, got {_name(tree)}")
        if tree.keys() != names:
            missing, unknown = sorted(names - tree.keys()), sorted(tree.keys() - names)
            raise CodecError("missing field" if missing else "unknown field", (missing or unknown)[0])
        found = {}
        for name, _, decode_field in codecs:
            try:
                found[name] = decode_field(tree[name])
            except CodecError as error:
                raise error.inside(name) from None
        return kind(**found)

    return to_tree, to_value


def _union(members: tuple[Any, ...]) -> tuple[Encode | None, Decode]:
    if type(None) in members:
        return _optional([member for member in members if member is not type(None)])
    codecs = {member.__name__: _codec(member) for member in members}

    def to_tree(value: Any) -> Any:
        name = type(value).__name__
        encode_member = codecs[name][0]
        assert encode_member is not None
        return {TAG: name, **encode_member(value)}

    def to_value(tree: Any) -> Any:
        if type(tree) is not dict:
            raise CodecError(f"expected an object, got {_name(tree)}")
        name = tree.get(TAG)
        if not isinstance(name, str) or name not in codecs:
            raise CodecError(f"expected one of {', '.join(codecs)}, got {name!r}", TAG)
        return codecs[name][1]({key: value for key, value in tree.items() if key != TAG})

    return to_tree, to_value


def _optional(members: list[Any]) -> tuple[Encode | None, Decode]:
    to_tree, to_value = _codec(members[0]) if len(members) == 1 else _union(tuple(members))

    def to_optional(tree: Any) -> Any:
        return None if tree is None else to_value(tree)

    if to_tree is None:
        return None, to_optional
    return lambda value: None if value is None else to_tree(value), to_optional
