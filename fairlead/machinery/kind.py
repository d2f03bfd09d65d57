"""How a resource kind is declared: one `Kind` value beside its types, from which all else is read off.

Facts about one field are markers in `Annotated[...]` on the field's type; facts about several fields are
the `Kind`'s functions. Decoding, defaults, checks, merge keys, columns, discovery and OpenAPI are derived.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from fairlead.base.instant import Instant
from fairlead.machinery.status import FieldError

T = TypeVar("T")


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


@dataclass(frozen=True, slots=True)
class Doc:
    """The field's description, shown by `kubectl explain`."""

    text: str


@dataclass(frozen=True, slots=True)
class Immutable:
    """The field may not change after creation: `field is immutable`."""


@dataclass(frozen=True, slots=True)
class Required:
    """The field must be given: `Required value` (422), and `required` in OpenAPI."""


@dataclass(frozen=True, slots=True)
class ListMap:
    """A list keyed by fields of its items. Apply merges by `keys`, strategic merge by `patch_key`
    (`patchStrategy: merge`); upstream disagrees between the two, so both are said. An empty `keys` means the
    list is atomic for apply; an empty `patch_key` means strategic merge replaces it."""

    keys: tuple[str, ...] = ()
    patch_key: str = ""
    retain_keys: bool = False
    """`patchStrategy: merge,retainKeys`."""


@dataclass(frozen=True, slots=True)
class SetList:
    """A list of scalars that is a set (`x-kubernetes-list-type: set`); with `merge`, strategic merge adds."""

    merge: bool = False


@dataclass(frozen=True, slots=True)
class Atomic:
    """A list, map or struct that apply replaces whole."""


@dataclass(frozen=True, slots=True)
class Default:
    """What the field is taken to be where it is absent, also by apply, which may need it as the key of an item."""

    value: str | int | bool


@dataclass(frozen=True, slots=True)
class RetainKeys:
    """A struct with `patchStrategy: retainKeys` (Deployment's `strategy`, a volume's source)."""


CellValue = str | int | bool | None
Cell = Callable[[T, Instant], CellValue]


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """One column of the `Table` that kubectl prints; `wide` ones only with `-o wide` (priority 1)."""

    name: str
    cell: Cell[T]
    wide: bool = False
    type: str = "string"
    format: str = ""
    doc: str = ""


def _no_errors(*_: Any) -> Iterable[FieldError]:
    return ()


def _no_texts(_: Any) -> Iterable[str]:
    return ()


def _same(obj: Any) -> Any:
    return obj


def _second(_: Any, obj: Any) -> Any:
    return obj


@dataclass(frozen=True, slots=True, kw_only=True)
class Part(Generic[T]):
    """A subresource that writes one field of the object and leaves all else as it is."""

    name: str
    """The subresource in the path."""
    writes: tuple[str, ...]
    """The field, by the names that lead to it."""
    transition: Callable[[T, T], Iterable[FieldError]]
    """Checks of the change, instead of the kind's own: `transition(old, new)`."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kind(Generic[T]):
    """A resource kind. Compare by identity; `KINDS` in `fairlead.api.kinds` is the only list of them."""

    type: type[T]
    kind: str
    group: str = ""
    version: str = "v1"
    plural: str
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    namespaced: bool = True
    status: bool = False
    """Has a `status` subresource: the main endpoint leaves status alone, `/status` leaves the rest alone."""
    scale: bool = False
    """Has a `scale` subresource (autoscaling/v1 Scale): `spec.replicas`, `status.replicas`, `spec.selector`."""
    parts: tuple[Part[T], ...] = ()
    """Further subresources, each of which writes one field."""
    generation: bool = False
    """`metadata.generation` counts changes of `spec`."""
    columns: tuple[Column[T], ...] = ()
    default: Callable[[T], T] = _same
    """Fills in upstream's defaults. Owns its argument (freshly decoded) and may change it in place."""
    prepare_create: Callable[[T], T] = _same
    """After defaulting, on create only: resets what a client may not set (status)."""
    prepare_update: Callable[[T, T], T] = _second
    """After defaulting, on update (not of status): `prepare_update(old, new)` returns the new object with what an
    update may not set, or need not repeat, carried over from the old one. May change `new` in place."""
    rules: Callable[[T], Iterable[FieldError]] = _no_errors
    """Checks that need several fields or upstream's own texts; single-field checks are markers."""
    create_rules: Callable[[T], Iterable[FieldError]] = _no_errors
    """Checks of a new object only, on top of `rules`."""
    transition: Callable[[T, T], Iterable[FieldError]] = _no_errors
    """Checks of an update: `transition(old, new)`."""
    fields: Mapping[str, Callable[[T], str]] = field(default_factory=dict)
    """Field selectors beyond `metadata.name` and `metadata.namespace`."""
    warnings: Callable[[T], Iterable[str]] = _no_texts
    """Texts for `Warning` headers on create and update."""
    inert: str = ""
    """If nothing acts on such objects: what to tell users, in a `Warning` header and in an event."""
    name_rule: str = "subdomain"
    """How `metadata.name` is checked: `subdomain` (DNS-1123), `label` (DNS-1123), `dns1035`, `path-segment`, `ip`."""
    view: bool = False
    """A second form of objects that another kind of the same name keeps; whoever walks all objects skips it."""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """`services`, or `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def list_kind(self) -> str:
        return self.kind + "List"

    def notices(self, obj: T) -> list[str]:
        """Returns the texts for `Warning` headers about a created or updated object."""
        return [*([self.inert] if self.inert else ()), *self.warnings(obj)]

    def part(self, subresource: str) -> Part[T] | None:
        """The subresource of that name, if it is one of `parts`."""
        return next((part for part in self.parts if part.name == subresource), None)

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The request path of the collection, of one object, or of its subresource."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        parts = [root]
        if namespace and self.namespaced:
            parts += ["namespaces", namespace]
        parts += [p for p in (self.plural, name, subresource) if p]
        return "/".join(parts)
