"""Dataclasses from JSON trees and back: the one loader of settings, state files and messages. Standard library only.

What must stay true: `decode(T, encode(T, value)) == value`, and what does not fit is named by its path, every fault of
a tree at once. The annotations of a class are read once, at the first use. Supported are str, int, float, bool, Any,
`X | None`, Literal, `list[X]`, `tuple[X, ...]`, `tuple[X, Y]`, `dict[str, X]`, `Mapping[str, X]`, dataclasses, and
unions of dataclasses, which the key `type` (the name of the class) tells apart. `Annotated[X, Text(read)]` is a text
that `read` turns into an X. `wire(KEY)` makes a field whose key is not a Python name.

Rejected: msgspec, which costs the supervisor, pid 1 and every zygote 2.7 MB and stops at the first fault; pickle, which
runs what a peer sends.
"""

from __future__ import annotations

import collections.abc
import types
from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from fairlead.base.dataclass import FieldFacts, dataclass, facts, field

T = TypeVar("T")
TAG = "type"
_KEY = "key"
_ROOT = "document"
_NAMES: dict[type, str] = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "a boolean",
    list: "a list",
    dict: "an object",
    type(None): "null",
}

Encode = Callable[[Any], Any]
Place = tuple[Any, "str | int | _Member"] | None
"""The place above, and the name, index or key of a mapping in it."""


@dataclass(frozen=True, slots=True)
class Text:
    """Marks a field that is written as a text. `read` raises ValueError with what is wrong about the text."""

    read: Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Fault:
    path: str
    """Such as `nftables.ports[1]`; empty: the whole document."""
    problem: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}" if self.path else self.problem


class CodecError(ValueError):
    """A tree that does not fit; the text names every fault by its path."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = faults


def wire(key: str, **options: Any) -> Any:
    """Returns a dataclass field with another key in the tree; `options` are those of `field`."""
    return field(metadata={_KEY: key}, **options)


def encode(kind: Any, value: object) -> Any:
    """Returns the JSON tree of a value that is annotated as `kind`."""
    to_tree = _codec(kind).encode
    return value if to_tree is None else to_tree(value)


def decode(
    kind: type[T], tree: Any, *, unknown: bool = False, nulls: bool = False, whole: bool = False, root: str = ""
) -> T:
    """Returns the value of a tree. Raises CodecError.

    `unknown` ignores unknown fields (a later version's). `nulls` treats a field that is null as absent, as Go's
    decoders do. `whole` demands every field, as `encode` writes them. `root` is the path of the tree itself.
    """
    walk = _Walk(unknown=unknown, nulls=nulls, whole=whole, root=root)
    value = _codec(cast("Any", kind)).decode(tree, walk, None)
    if walk.faults:
        raise CodecError(*walk.faults)
    return cast("T", value)


class _Member(str):
    """The key of a mapping: with dots or blanks in it, it must not look like fields."""

    __slots__ = ()


class _Walk:
    """The options of one `decode` and the faults that it has found."""

    def __init__(self, *, unknown: bool, nulls: bool, whole: bool, root: str) -> None:
        self.unknown = unknown
        self.nulls = nulls
        self.whole = whole
        self.faults: list[Fault] = []
        self._root = root

    def fault(self, place: Place, problem: str) -> None:
        path = self._root
        for part in _parts(place):
            if isinstance(part, int | _Member):
                path += f"[{part}]"
            else:
                path += f".{part}" if path else part
        self.faults.append(Fault(path, problem))

    def wrong(self, place: Place, expected: str, tree: Any) -> None:
        self.fault(place, f"expected {expected}, got {_NAMES.get(type(tree), repr(tree))}")


def _parts(place: Place) -> list[Any]:
    parts: list[Any] = []
    while place is not None:
        place, part = place
        parts.append(part)
    return parts[::-1]


Decode = Callable[[Any, _Walk, Place], Any]


@dataclass(frozen=True, slots=True)
class _Codec:
    name: str
    """The type in the words of errors."""
    encode: Encode | None
    """None: the tree is the value itself."""
    decode: Decode
    nullable: bool = False


@cache
def _codec(kind: Any) -> _Codec:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return _Codec("anything", None, lambda tree, walk, place: tree, nullable=True)
    if kind in (str, int, float, bool):
        return _plain(kind)
    if (described := facts(kind)) is not None:
        return _dataclass(kind, described)
    if origin is Annotated:
        texts = [marker for marker in arguments[1:] if isinstance(marker, Text)]
        return _text(texts[0]) if texts else _codec(arguments[0])
    if origin in (Union, types.UnionType):
        return _union(arguments)
    if origin is Literal:
        return _literal(arguments)
    if origin is tuple and arguments[1:] != (Ellipsis,):
        return _fixed(arguments)
    if origin in (tuple, list):
        return _sequence(origin, arguments[0])
    if origin in (dict, collections.abc.Mapping) and arguments[0] is str:
        return _mapping(arguments[1])
    raise TypeError(f"no codec for {kind!r}")


def _plain(kind: type) -> _Codec:
    allowed = (float, int) if kind is float else (kind,)

    def to_value(tree: Any, walk: _Walk, place: Place) -> Any:
        if type(tree) not in allowed:  # and not isinstance: True is not a number
            walk.wrong(place, _NAMES[kind], tree)
        return tree

    return _Codec(_NAMES[kind], None, to_value)


def _text(marker: Text) -> _Codec:
    def to_value(tree: Any, walk: _Walk, place: Place) -> Any:
        if type(tree) is not str:
            return walk.wrong(place, _NAMES[str], tree)
        try:
            return marker.read(tree)
        except ValueError as e:
            walk.fault(place, str(e))
        return None

    return _Codec(_NAMES[str], str, to_value)


def _literal(values: tuple[Any, ...]) -> _Codec:
    shown = ", ".join(value for value in values if value)

    def to_value(tree: Any, walk: _Walk, place: Place) -> Any:
        if type(tree) is not str:
            return walk.wrong(place, _NAMES[str], tree)
        if tree not in values:
            walk.fault(place, f'"{tree}" is not one of {shown}')
        return tree

    return _Codec(_NAMES[str], None, to_value)


def _sequence(make: Any, kind: Any) -> _Codec:
    item = _codec(kind)
    name = "a list" + (f" of {_plural(item.name)}" if item.name in _NAMES.values() else "")

    def to_value(tree: Any, walk: _Walk, place: Place) -> Any:
        if type(tree) is not list:
            return walk.wrong(place, name, tree)
        return make([item.decode(one, walk, (place, index)) for index, one in enumerate(tree)])

    to_tree = item.encode
    return _Codec(name, list if to_tree is None else lambda value: [to_tree(one) for one in value], to_value)


def _fixed(kinds: tuple[Any, ...]) -> _Codec:
    items = [_codec(kind) for kind in kinds]
    name = f"a list of {len(items)}"

    def to_value(tree: Any, walk: _Walk, place: Place) -> Any:
        if type(tree) is not list or len(tree) != len(items):
            return walk.wrong(place, name, tree)
        pairs = enumerate(zip(items, tree, strict=True))
        return tuple(item.decode(one, walk, (place, index)) for index, (item, one) in pairs)

    def to_tree(value: Any) -> Any:
        return [item.encode(one) if item.encode else one for item, one in zip(items, value, strict=True)]

    return _Codec(name, to_tree, to_value)


def _mapping(kind: Any) -> _Codec:
    item = _codec(kind)
    name = "an object" + (f" of {_plural(item.name)}" if item.name in _NAMES.values() else "")

    def to_value(tree: Any, walk: _Walk, place: Place) -> Any:
        if type(tree) is not dict:
            return walk.wrong(place, name, tree)
        return {key: item.decode(one, walk, (place, _Member(key))) for key, one in tree.items()}

    to_tree = item.encode
    encoded = dict if to_tree is None else lambda value: {key: to_tree(one) for key, one in value.items()}
    return _Codec(name, encoded, to_value)


def _plural(name: str) -> str:
    return f"{name.partition(' ')[2]}s"


def _dataclass(kind: Any, described: list[FieldFacts]) -> _Codec:
    hints = get_type_hints(kind, include_extras=True)
    fields = [(f.metadata.get(_KEY, f.name), f.name, _codec(hints[f.name])) for f in described]
    readers = {key: (name, codec) for key, name, codec in fields}
    writers = [(key, name, codec.encode) for key, name, codec in fields]
    required = [f.metadata.get(_KEY, f.name) for f in described if f.required]

    def to_tree(value: Any) -> Any:
        return {
            key: getattr(value, name) if encode_field is None else encode_field(getattr(value, name))
            for key, name, encode_field in writers
        }

    def to_value(tree: Any, walk: _Walk, place: Place) -> Any:
        if type(tree) is not dict:
            return walk.wrong(place, "an object", tree)
        before, values = len(walk.faults), {}
        for key, one in tree.items():
            known = readers.get(key)
            if known is None:
                if not walk.unknown:
                    walk.fault((place, key), f"unknown field{_nearest(key, readers)}")
            elif one is not None or known[1].nullable or not walk.nulls:
                values[known[0]] = known[1].decode(one, walk, (place, key))
        if len(values) < len(readers):
            for key in readers if walk.whole else required:
                if key not in tree:
                    walk.fault((place, key), "is missing")
                elif key in required and readers[key][0] not in values:
                    walk.wrong((place, key), readers[key][1].name, None)
        return kind(**values) if len(walk.faults) == before else None

    return _Codec("an object", to_tree, to_value)


def _nearest(key: object, known: Mapping[str, object]) -> str:
    from difflib import get_close_matches  # for faults only

    near = get_close_matches(str(key), known, 1, 0.75)
    return f", did you mean {near[0]}?" if near else ""


def _union(members: tuple[Any, ...]) -> _Codec:
    some = tuple(member for member in members if member is not type(None))
    inner = _codec(some[0]) if len(some) == 1 else _tagged(some)
    if len(some) == len(members):
        return inner
    to_tree, to_value = inner.encode, inner.decode
    return _Codec(
        inner.name,
        None if to_tree is None else lambda value: None if value is None else to_tree(value),
        lambda tree, walk, place: None if tree is None else to_value(tree, walk, place),
        nullable=True,
    )


def _tagged(members: tuple[Any, ...]) -> _Codec:
    codecs = {member.__name__: _codec(member) for member in members}

    def to_tree(value: Any) -> Any:
        name = type(value).__name__
        encode_member = codecs[name].encode
        assert encode_member is not None
        return {TAG: name, **encode_member(value)}

    def to_value(tree: Any, walk: _Walk, place: Place) -> Any:
        if type(tree) is not dict:
            return walk.wrong(place, "an object", tree)
        codec = codecs.get(tree[TAG]) if isinstance(tree.get(TAG), str) else None
        if codec is None:
            return walk.fault((place, TAG), f"expected one of {', '.join(codecs)}, got {tree.get(TAG)!r}")
        return codec.decode({key: value for key, value in tree.items() if key != TAG}, walk, place)

    return _Codec("an object", to_tree, to_value)
