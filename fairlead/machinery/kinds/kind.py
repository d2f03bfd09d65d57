"""The declaration of a resource kind: one `Kind` value beside its types, from which all else is derived.

Facts about one field are markers in `Annotated[...]` on the field's type; facts about several fields are functions of
the `Kind`. Decoding, defaults, checks, merge keys, columns, discovery and OpenAPI are derived.

A `Kind` is an `Identity`, which is cheap and known from the start, and a `Strategy`, which a kind that is declared by
`declare` imports at its first use (`machinery/kinds/declared.py`).

What must stay true: everything specific to a kind is a field of its `Kind` (upstream's word: strategy). Generic code
reads the fields and never compares with a particular kind (`tests/test_generic.py` checks that).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any, Concatenate, Generic, Literal, ParamSpec, Protocol, TypeVar, cast

from fairlead.base.dataclass import dataclass
from fairlead.base.instant import Instant
from fairlead.machinery.schemas.codec import Codec, struct_codec
from fairlead.machinery.schemas.markers import (
    Atomic,
    Default,
    Doc,
    Format,
    Immutable,
    ListMap,
    OneOf,
    Range,
    Required,
    RetainKeys,
    SetList,
)
from fairlead.machinery.schemas.schema import Schema
from fairlead.machinery.values.selectors import from_label_selector, from_map, render
from fairlead.machinery.values.status import FieldError

__all__ = [
    "VERBS",
    "Atomic",
    "Cell",
    "CellValue",
    "Column",
    "Conversion",
    "Default",
    "Doc",
    "Expiry",
    "Format",
    "GroupVersionKind",
    "Identity",
    "Immutable",
    "Kind",
    "ListMap",
    "OneOf",
    "Part",
    "Range",
    "RemoteConversion",
    "Requester",
    "Required",
    "RetainKeys",
    "ScaleFields",
    "SetList",
    "Strategy",
    "Subresource",
    "per_kind",
]

T = TypeVar("T")
R = TypeVar("R")
P = ParamSpec("P")

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")

CellValue = str | int | bool | None
Cell = Callable[[T, Instant], CellValue]


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """One column of the `Table` that kubectl prints; `wide` columns only with `-o wide` (priority 1)."""

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


def _no_grace(_: Any, __: int | None) -> int:
    return 0


def _never(_: Any) -> bool:
    return False


def _nothing(*_: Any) -> None:
    pass


def _spec_differs(old: Any, new: Any) -> bool:
    return bool(old.spec != new.spec)


@dataclass(frozen=True, slots=True)
class GroupVersionKind:
    group: str
    version: str
    kind: str

    def tree(self) -> dict[str, str]:
        return {"group": self.group, "version": self.version, "kind": self.kind}


@dataclass(frozen=True, slots=True)
class Subresource:
    """A subresource as discovery and OpenAPI describe it."""

    name: str
    gvk: GroupVersionKind
    """The kind of the body of requests or answers."""
    verbs: tuple[str, ...]
    foreign: bool = True
    """True if the body is of another kind than the resource itself."""


@dataclass(frozen=True, slots=True)
class Conversion(Generic[T]):
    """Converts objects of one version to the storage version, the hub, and back.

    Each further version of a kind is a spoke: it converts to and from the hub only.
    """

    storage: Kind[Any]
    to_storage: Callable[[T], Any]
    from_storage: Callable[[Any], T]


class RemoteConversion(Protocol):
    """Converts objects by a server elsewhere."""

    @property
    def stored_version(self) -> str:
        """The API version in which objects are stored."""
        ...

    async def convert(self, objects: Sequence[bytes], api_version: str) -> list[bytes]:
        """Returns objects of one version in another one. Raises StatusError."""
        ...


@dataclass(frozen=True, slots=True)
class Expiry(Generic[T]):
    """Deletes objects that have not changed for a given time."""

    after_s: float
    last_change: Callable[[T], Instant | None]
    """The time of the last change as the object itself says it, for objects that were written before a restart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part(Generic[T]):
    """A subresource that writes one field of the object and leaves all others unchanged."""

    name: str
    """The subresource in the path."""
    writes: tuple[str, ...]
    """The field, by the names that lead to it."""
    transition: Callable[[T, T], Iterable[FieldError]]
    """Checks of the change, instead of the kind's checks: `transition(old, new)`."""
    leaves: tuple[str, ...] = ("labels", "annotations", "finalizers", "ownerReferences")
    """Fields of `metadata` that a write leaves unchanged."""
    prepare: Callable[[T, T, Instant], object] = _nothing
    """Completes the new object before its checks: `prepare(old, new, now)`. May change `new` in place."""


def _replicas(obj: Any) -> int:
    return 1 if obj.spec.replicas is None else int(obj.spec.replicas)


def _write_replicas(obj: Any, replicas: int) -> None:
    obj.spec.replicas = replicas


def _current_replicas(obj: Any) -> int:
    return obj.status.replicas or 0


def _label_selector(obj: Any) -> str:
    """Returns the selector as text; that of a ReplicationController is a plain map."""
    selector = obj.spec.selector
    return render(from_map(selector) if isinstance(selector, dict) else from_label_selector(selector))


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleFields(Generic[T]):
    """The fields that the scale subresource reads and writes."""

    replicas: Callable[[T], int] = _replicas
    write: Callable[[T, int], object] = _write_replicas
    current: Callable[[T], int] = _current_replicas
    selector: Callable[[T], str] = _label_selector
    path: tuple[str, ...] = ("spec", "replicas")
    """The field that is written, by the names that lead to it."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Identity:
    """The facts of a kind that discovery, routes, the store and the controllers' caches need before its first use."""

    kind: str
    group: str = ""
    version: str = "v1"
    plural: str
    singular: str = ""
    own_list_kind: str = ""
    """The kind of lists, if it is not the kind with `List` behind it."""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    namespaced: bool = True
    status: bool = False
    """True for a `status` subresource: the main endpoint does not change status, and `/status` changes nothing else."""
    scale: bool = False
    """True for a `scale` subresource (autoscaling/v1 Scale): `spec.replicas`, `status.replicas`, `spec.selector`."""
    parts: tuple[Part[Any], ...] = ()
    """Further subresources, each of which writes one field."""
    subresources: tuple[Subresource, ...] = ()
    """Subresources that belong to this kind alone; the API server has code for each of them."""
    verbs: tuple[str, ...] = VERBS
    """The verbs of the resource itself."""
    generation: bool = False
    """True if `metadata.generation` counts changes."""
    answered: bool = False
    """True if a create is a question that is answered at once, and nothing is stored."""
    computed: bool = False
    """True if the objects are computed at each request and never stored; the API server has a source of them."""
    inert: str = ""
    """Text for users if the project does not act on such objects, for a `Warning` header and an event."""
    deprecation: str = ""
    """Text of a warning for every request, if clients should use another version."""
    conversion: Conversion[Any] | None = None
    """The conversion to the version in which objects are stored, if it is another one. The kind of that version owns
    the objects."""
    remote: RemoteConversion | None = None
    """Converts the objects of all versions, if a server elsewhere does; `conversion` then only names the hub."""
    storage_path: str = ""
    """The folder of the objects in the store, below `/registry/`; if empty, `<group>/<plural>` or `<plural>`."""
    keeps_history: bool = True
    """True if the store keeps past states after an update, for watches that start in the past."""
    expiry: Expiry[Any] | None = None
    """The time after which objects are deleted without a request, if there is one."""
    cached: Literal["object", "metadata", "nothing"] = "metadata"
    """The part of such objects that the controllers' shared informers keep. `nothing` is for kinds with many objects
    and without owners and dependents."""
    deletion_turn: Literal["first", "", "last"] = ""
    """The turn of such objects when a namespace is emptied: before all other kinds, or after them."""
    initial: Callable[[], Iterable[Any]] = tuple
    """Objects that exist from the start of a cluster; the server makes them again if they are missing."""


class Requester(Protocol):
    """The user that makes a request."""

    @property
    def name(self) -> str: ...
    @property
    def uid(self) -> str: ...
    @property
    def groups(self) -> tuple[str, ...]: ...
    @property
    def extra(self) -> Mapping[str, tuple[str, ...]]: ...


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Strategy(Generic[T]):
    """The types, rules and columns of a kind; a declared kind imports them at their first use."""

    type: type[T]
    changes_generation: Callable[[T, T], bool] = _spec_differs
    """Returns whether `metadata.generation` counts a change: `changes_generation(old, new)`."""
    columns: tuple[Column[T], ...] = ()
    default: Callable[[T], T] = _same
    """Fills in upstream's defaults. Owns its argument (freshly decoded) and may change it in place."""
    default_times: Callable[[T, Instant], object] = _nothing
    """Sets times that a client left out; called after `default` for a new and for an updated object. May change the
    object in place."""
    prepare_create: Callable[[T], T] = _same
    """Resets fields that a client may not set (status); called on create only, after defaulting."""
    prepare_update: Callable[[T, T], T] = _second
    """Returns the new object with fields carried over from the old one that an update may not set or need not repeat:
    `prepare_update(old, new)`. Called on update (not of status), after defaulting. May change `new` in place."""
    prepare_status: Callable[[T, T, Instant], object] = _nothing
    """Completes the new object of a write of `status` before its checks: `prepare_status(old, new, now)`. May change
    `new` in place."""
    stamp: Callable[[T, Requester], object] = _nothing
    """Records the user that creates the object: `stamp(obj, requester)`. Called on create only."""
    rules: Callable[[T], Iterable[FieldError]] = _no_errors
    """Checks that need several fields or upstream's own texts; single-field checks are markers."""
    create_rules: Callable[[T], Iterable[FieldError]] = _no_errors
    """Checks of a new object only, on top of `rules`."""
    transition: Callable[[T, T], Iterable[FieldError]] = _no_errors
    """Checks of an update: `transition(old, new)`."""
    unconditional_update: bool = True
    """False if an update must name the resourceVersion that it replaces (upstream's `AllowUnconditionalUpdate`)."""
    created_by_update: bool = False
    """True if an update of an absent object creates it (upstream's `AllowCreateOnUpdate`)."""
    fields: Mapping[str, Callable[[T], str]] = field(default_factory=dict)
    """Field selectors beyond `metadata.name` and `metadata.namespace`."""
    warnings: Callable[[T], Iterable[str]] = _no_texts
    """Texts for `Warning` headers on create and update."""
    closed: str = ""
    """The reason why objects cannot be created now; empty if they can be."""
    qualified_finalizers: bool = True
    """True if a finalizer needs a prefix (`example.com/name`) unless it is one of the standard ones."""
    name_rule: str = "subdomain"
    """The check of `metadata.name`: `subdomain` (DNS-1123), `label` (DNS-1123), `dns1035`, `path-segment`, `ip`."""
    own_codec: Codec[T] | None = None
    """The codec of the objects, if they are not structs of `type`."""
    grace_s: Callable[[T, int | None], int] = _no_grace
    """Returns for how many seconds a deleted object stays: `grace_s(obj, gracePeriodSeconds of the request)`."""
    blocks_deletion: Callable[[T], bool] = _never
    """Returns whether a deleted object waits for more than the finalizers of its metadata."""
    mark_deleted: Callable[[T], None] = _nothing
    """Changes an object that has been deleted and waits for its finalizers."""
    undeletable: Mapping[str, str] = field(default_factory=dict)
    """The objects that may not be deleted, by name, with the reason."""
    orphans_dependents: bool = False
    """True if the dependents of a deleted object stay unless the request says otherwise."""
    delete_returns_object: bool = False
    """True if the answer to a delete is the object instead of a Status."""
    scale_fields: ScaleFields[T] = ScaleFields()  # noqa: RUF009 -- it is frozen
    """The fields of the scale subresource, if there is one."""
    status_leaves: tuple[str, ...] = ("ownerReferences",)
    """Fields of `metadata` that a write of `status` leaves unchanged."""


for _default in set(vars(Strategy)) & {strategy.name for strategy in dataclasses.fields(Strategy)}:
    # A default is also an attribute of the class, by which a kind that is not loaded would seem to have the field.
    delattr(Strategy, _default)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Kind(Identity, Strategy[T]):
    """A resource kind. Kinds are compared by identity; `fairlead.api.kinds` lists those that are built in."""

    derived: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)
    """Results of `per_kind` functions, with the lifetime of the kind."""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """Returns the resource name: `services`, or `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def list_kind(self) -> str:
        return self.own_list_kind or self.kind + "List"

    @property
    def codec(self) -> Codec[T]:
        return self.own_codec or struct_codec(self.type)

    @property
    def schema(self) -> Schema:
        """Returns the schema of the kind's objects."""
        schema: Schema | None = self.derived.get("schema")
        if schema is None:
            schema = self.derived["schema"] = self.codec.schema
        return schema

    @property
    def gvk(self) -> GroupVersionKind:
        return GroupVersionKind(self.group, self.version, self.kind)

    @property
    def folder(self) -> str:
        """Returns the folder of the objects in the store, below `/registry/`."""
        return self.storage_path or (f"{self.group}/{self.plural}" if self.group else self.plural)

    def notices(self, obj: T) -> list[str]:
        """Returns the texts for `Warning` headers about a created or updated object."""
        return [*([self.inert] if self.inert else ()), *self.warnings(obj)]

    def part(self, subresource: str) -> Part[T] | None:
        """Returns the subresource of that name, if it is one of `parts`."""
        if not subresource or not self.parts:
            return None
        return next((part for part in self.parts if part.name == subresource), None)

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Returns the request path of the collection, of one object, or of its subresource."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        parts = [root]
        if namespace and self.namespaced:
            parts += ["namespaces", namespace]
        parts += [p for p in (self.plural, name, subresource) if p]
        return "/".join(parts)


def per_kind(function: Callable[Concatenate[Kind[Any], P], R]) -> Callable[Concatenate[Kind[Any], P], R]:
    """Decorates a function so that it is called once for a kind and its further arguments, which must be hashable and
    positional.

    Unlike with `functools.cache`, the results are freed with the kind: kinds may come and go at run time.
    """

    def cached(kind: Kind[Any], /, *args: P.args, **kwargs: P.kwargs) -> R:
        key: Hashable = (function, args) if args else function
        value = kind.derived.get(key, _MISSING)
        if value is _MISSING:
            value = kind.derived[key] = function(kind, *args, **kwargs)
        return cast(R, value)

    return cached


_MISSING = object()
