"""Dataclasses with slots that cost little to declare. Standard library only.

`dataclasses` compiles six methods for every class when it is declared: 0.25 ms and 10 KB, for 300 classes at the start
of a cluster. Here methods are shared, and `__init__` is compiled when a class has many instances, because the compiler
alone takes 0.3 MB of shared memory from a fork. A declaration takes 12 µs. `dataclasses` itself (and `inspect`, which
it imports: 4 ms) is imported only if one of its functions gets such a class.

What must stay true: type checkers and the functions of `dataclasses` (`replace`, `fields`, `asdict`) see an ordinary
dataclass. Every class has slots; a class without them, or with init-only fields, uses `dataclasses`.

Rejected: msgspec structs, which take 50 µs but cost the supervisor, pid 1 and every zygote the import of msgspec.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple


class FieldFacts(NamedTuple):
    """The facts about a field that a codec needs."""

    name: str
    required: bool
    metadata: Mapping[str, Any]


def facts(cls: Any) -> list[FieldFacts] | None:
    """Returns the fields of a dataclass, of this module or of `dataclasses`; None for another class."""
    own = getattr(cls, "__fairlead_fields__", None)
    if own is not None:
        return [FieldFacts(one.name, one.required, one.metadata or {}) for one in own.values()]
    if not hasattr(cls, "__dataclass_fields__"):
        return None
    import dataclasses

    missing = (dataclasses.MISSING, dataclasses.MISSING)
    return [
        FieldFacts(one.name, (one.default, one.default_factory) == missing, one.metadata)
        for one in dataclasses.fields(cls)
    ]


if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
    from dataclasses import field as field
    from dataclasses import replace as replace
else:
    _MISSING = object()
    _FEW = 16
    _set = object.__setattr__

    class _Field:
        """The declaration of one field."""

        __slots__ = ("compare", "default", "default_factory", "init", "kw_only", "metadata", "name", "repr", "type")

        def __init__(self, default, default_factory, init, repr, compare, metadata):
            self.name = ""
            self.default = default
            self.default_factory = default_factory
            self.init = init
            self.repr = repr
            self.compare = compare
            self.metadata = metadata
            self.kw_only = False
            self.type = ""

        @property
        def required(self):
            return self.default is _MISSING and self.default_factory is _MISSING

    def field(
        *, default=_MISSING, default_factory=_MISSING, init=True, repr=True, compare=True, metadata=None
    ) -> _Field:
        """Declares the options of a field, as `dataclasses.field` does."""
        return _Field(default, default_factory, init, repr, compare, metadata)

    def dataclass(  # noqa: PLR0913 -- the options of the standard library
        cls=None, /, *, slots=False, frozen=False, eq=True, order=False, kw_only=False, init=True
    ):
        """Makes a class a dataclass, as `dataclasses.dataclass` does. Keeps an `__init__` of the class."""
        if not slots:
            raise TypeError("a class without slots uses the module dataclasses")

        def make(cls):
            return _made(cls, frozen, eq, order, kw_only)

        return make if cls is None else make(cls)

    def replace(obj, /, **changes):
        """Returns a copy with other values of some fields."""
        cls = type(obj)
        for one in cls.__fairlead_fields__.values():
            if one.init and one.name not in changes:
                changes[one.name] = getattr(obj, one.name)
        return cls(**changes)

    def _made(cls, frozen, eq, order, kw_only):
        body = dict(cls.__dict__)
        known = {}
        for base in reversed(cls.__mro__[1:]):
            known.update(base.__dict__.get("__fairlead_fields__", ()))
        own = _own_fields(cls.__annotations__, body, kw_only)
        inherited = set(known)
        known.update(own)
        for name in own:
            body.pop(name, None)
        body.pop("__dict__", None)
        body.pop("__weakref__", None)
        body["__slots__"] = tuple(name for name in own if name not in inherited)
        body["__fairlead_fields__"] = known
        body["__match_args__"] = tuple(one.name for one in known.values() if one.init and not one.kw_only)
        body["__dataclass_fields__"] = _STANDARD_FIELDS
        body["__dataclass_params__"] = _FROZEN if frozen else _MUTABLE
        _add_methods(body, known, frozen, eq, order)
        made = type(cls)(cls.__name__, cls.__bases__, body)
        made.__qualname__ = cls.__qualname__
        if "__init__" not in body:
            made.__init__ = _first_init(made)
        return made

    def _own_fields(annotations, body, kw_only):
        own = {}
        for name, hint in annotations.items():
            if str(hint).startswith(("ClassVar", "typing.ClassVar")):
                continue
            given = body.get(name, _MISSING)
            one = given if isinstance(given, _Field) else _Field(given, _MISSING, True, True, True, None)
            if type(one.default) in (list, dict, set):
                raise ValueError(f"mutable default {type(one.default)} for field {name}: use default_factory")
            one.name, one.type, one.kw_only = name, hint, kw_only
            own[name] = one
        return own

    def _add_methods(body, known, frozen, eq, order):
        body.setdefault("__repr__", _repr)
        if eq:
            compared = [one.name for one in known.values() if one.compare]
            body["__fairlead_key__"] = attrgetter(*compared) if compared else _no_key
            body.setdefault("__eq__", _eq)
            body.setdefault("__hash__", _hash if frozen else None)
        if order:
            body.update(__lt__=_lt, __le__=_le, __gt__=_gt, __ge__=_ge)
        if frozen:
            body.update(__setattr__=_refuse_set, __delattr__=_refuse_delete)
            body.setdefault("__getstate__", _getstate)
            body.setdefault("__setstate__", _setstate)

    def _no_key(obj):
        return ()

    def _first_init(cls):
        """Returns the `__init__` of the first instances: it compiles nothing, and is replaced if there are more."""
        calls = 0

        def __init__(self, *args, **kwargs):
            nonlocal calls
            calls += 1
            if calls > _FEW or not _initialized(cls, self, args, kwargs):
                init = cls.__init__ = _compiled_init(cls)
                init(self, *args, **kwargs)

        return __init__

    def _initialized(cls, obj, args, kwargs):
        """Sets the fields of a new object; returns False if the arguments are wrong, for the compiled `__init__` to
        name the fault."""
        fields, names = cls.__fairlead_fields__, cls.__match_args__
        values = dict(zip(names, args, strict=False))
        if len(args) > len(names) or any(key in values or key not in fields or not fields[key].init for key in kwargs):
            return False
        values.update(kwargs)
        for name, one in fields.items():
            if name in values:
                _set(obj, name, values[name])
            elif one.default is not _MISSING:
                _set(obj, name, one.default)
            elif one.default_factory is not _MISSING:
                _set(obj, name, one.default_factory())
            elif one.init:
                return False
        if hasattr(cls, "__post_init__"):
            obj.__post_init__()
        return True

    def _compiled_init(cls):
        """Returns the `__init__` of a class. It writes to the slots directly, which is twice as fast as
        `object.__setattr__` and works for frozen classes."""
        fields = cls.__fairlead_fields__.values()
        scope = {"_MISSING": _MISSING}
        plain, keyword, lines = [], [], []
        for one in fields:
            name, value = one.name, one.name
            scope[f"_set_{name}"] = getattr(cls, name).__set__
            parameter = name
            if one.default_factory is not _MISSING:
                scope[f"_new_{name}"] = one.default_factory
                parameter = f"{name}=_MISSING"
                value = f"_new_{name}() if {name} is _MISSING else {name}" if one.init else f"_new_{name}()"
            elif one.default is not _MISSING:
                scope[f"_default_{name}"] = one.default
                parameter = f"{name}=_default_{name}"
                value = name if one.init else f"_default_{name}"
            elif not one.init:
                continue
            if one.init:
                (keyword if one.kw_only else plain).append(parameter)
            lines.append(f" _set_{name}(self, {value})")
        if hasattr(cls, "__post_init__"):
            lines.append(" self.__post_init__()")
        parameters = ", ".join(["self", *plain, *(["*", *keyword] if keyword else [])])
        exec("\n".join([f"def __init__({parameters}):", *(lines or [" pass"])]), scope)
        init = scope["__init__"]
        init.__qualname__ = f"{cls.__qualname__}.__init__"
        return init

    def _repr(self):
        shown = ", ".join(
            f"{one.name}={getattr(self, one.name)!r}" for one in self.__fairlead_fields__.values() if one.repr
        )
        return f"{self.__class__.__qualname__}({shown})"

    def _eq(self, other):
        if other.__class__ is not self.__class__:
            return NotImplemented
        key = self.__class__.__fairlead_key__
        return key(self) == key(other)

    def _hash(self):
        key = self.__class__.__fairlead_key__(self)
        return hash(key)

    def _lt(self, other):
        key = self.__class__.__fairlead_key__
        return key(self) < key(other) if other.__class__ is self.__class__ else NotImplemented

    def _le(self, other):
        key = self.__class__.__fairlead_key__
        return key(self) <= key(other) if other.__class__ is self.__class__ else NotImplemented

    def _gt(self, other):
        key = self.__class__.__fairlead_key__
        return key(self) > key(other) if other.__class__ is self.__class__ else NotImplemented

    def _ge(self, other):
        key = self.__class__.__fairlead_key__
        return key(self) >= key(other) if other.__class__ is self.__class__ else NotImplemented

    def _refuse_set(self, name, value):
        _refuse(self, name, "assign to")
        _set(self, name, value)

    def _refuse_delete(self, name):
        _refuse(self, name, "delete")
        object.__delattr__(self, name)

    def _refuse(self, name, what):
        cls = type(self)
        if "__fairlead_fields__" in cls.__dict__ or name in cls.__fairlead_fields__:
            from dataclasses import FrozenInstanceError

            raise FrozenInstanceError(f"cannot {what} field {name!r}")

    def _getstate(self):
        return [getattr(self, name) for name in self.__fairlead_fields__]

    def _setstate(self, state):
        for name, value in zip(self.__fairlead_fields__, state, strict=True):
            _set(self, name, value)

    class _Params:
        """The part of a class's options that `dataclasses` asks for."""

        def __init__(self, frozen):
            self.frozen = frozen

    _FROZEN, _MUTABLE = _Params(True), _Params(False)

    class _StandardFields:
        """The fields of a class as `dataclasses` describes them; made when they are first read."""

        def __get__(self, obj, cls):
            import dataclasses

            fields = {one.name: _standard_field(dataclasses, one) for one in cls.__fairlead_fields__.values()}
            owner = next(owner for owner in cls.__mro__ if "__fairlead_fields__" in owner.__dict__)
            owner.__dataclass_fields__ = fields
            return fields

    _STANDARD_FIELDS = _StandardFields()

    def _standard_field(dataclasses, one):
        made = dataclasses.field(
            **({} if one.default is _MISSING else {"default": one.default}),
            **({} if one.default_factory is _MISSING else {"default_factory": one.default_factory}),
            init=one.init,
            repr=one.repr,
            compare=one.compare,
            kw_only=one.kw_only,
            metadata=one.metadata,
        )
        made.name, made.type = one.name, one.type
        made._field_type = dataclasses._FIELD
        return made
