"""Facts about one field, as markers in `Annotated[...]` on the field's type or in a hand-written `Schema`."""

from __future__ import annotations

from fairlead.base.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Range:
    """An integer between two bounds, both included: `must be between 1 and 65535, inclusive`."""

    low: int
    high: int


@dataclass(frozen=True, slots=True, init=False)
class OneOf:
    """A string out of a closed list: `Unsupported value: ...: supported values: ...`."""

    values: tuple[str, ...]

    def __init__(self, *values: str) -> None:
        object.__setattr__(self, "values", values)


@dataclass(frozen=True, slots=True)
class Format:
    """A string's format, also OpenAPI's `format` (`int32`, `date-time`, `dns-label`, `ip`, `quantity`, ...)."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Doc:
    """The field's description, shown by `kubectl explain`. Compared by identity: `Annotated` hashes 2,000 of them."""

    text: str


@dataclass(frozen=True, slots=True)
class Immutable:
    """The field may not change after creation: `field is immutable`."""


@dataclass(frozen=True, slots=True)
class Required:
    """The field must be given: `Required value` (422), and `required` in OpenAPI."""


@dataclass(frozen=True, slots=True)
class ListMap:
    """A list keyed by fields of its items. Apply merges by `keys`, strategic merge by `patch_key` (`patchStrategy:
    merge`); upstream has different keys for the two, so both are given. If `keys` is empty, apply treats the list as
    atomic; if `patch_key` is empty, strategic merge replaces the list."""

    keys: tuple[str, ...] = ()
    patch_key: str = ""
    retain_keys: bool = False
    """True for `patchStrategy: merge,retainKeys`."""


@dataclass(frozen=True, slots=True)
class SetList:
    """A list of scalars that is a set (`x-kubernetes-list-type: set`); with `merge`, strategic merge adds items."""

    merge: bool = False


@dataclass(frozen=True, slots=True)
class Atomic:
    """A list, map or struct that apply replaces whole."""


@dataclass(frozen=True, slots=True)
class Default:
    """The value of the field if it is absent, also for apply, which may need it as the key of an item."""

    value: str | int | bool


@dataclass(frozen=True, slots=True)
class Alternative:
    """A struct that may also have another JSON form: a boolean, or a list of such structs. Protobuf has a message with
    two fields for the two forms, whose numbers are given."""

    other: type
    struct_number: int
    other_number: int


@dataclass(frozen=True, slots=True)
class RetainKeys:
    """A struct with `patchStrategy: retainKeys` (Deployment's `strategy`, a volume's source)."""
