# ruff: noqa: RUF012 - msgspec copies literal defaults
"""A kind of our own with every marker on it, so that these tests do not move when the real kinds do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec

from fairlead.api.meta.types import Int32, IntOrString, LabelSelector, Object, Quantity, Record, Time
from fairlead.machinery.kinds.kind import (
    Atomic,
    Column,
    Doc,
    Format,
    Immutable,
    Kind,
    ListMap,
    OneOf,
    Range,
    Required,
    RetainKeys,
    SetList,
)
from fairlead.machinery.values.status import FieldError, forbidden


class Port(Record):
    """One port of a thing."""

    port: Annotated[Int32, Range(1, 65535), Required()] = 0
    name: Annotated[str, Format("port-name")] = ""
    protocol: Annotated[str, OneOf("TCP", "UDP"), Doc("How to talk.")] = ""
    target: IntOrString = 0


class Rolling(Record):
    surge: IntOrString | None = None


class Strategy(Record):
    type: str = ""
    rolling: Rolling | None = None


class Volume(Record):
    name: str = ""
    empty: dict[str, str] | None = None
    host: str | None = None


class Spec(Record):
    """The desired state of a thing."""

    ports: Annotated[list[Port], ListMap(keys=("port", "protocol"), patch_key="port")] = []
    replicas: Int32 | None = None
    percent: Annotated[Int32, Range(1, 100)] | None = None
    selector: Annotated[LabelSelector, Atomic(), Immutable()] | None = None
    names: Annotated[list[str], SetList(merge=True)] = []
    words: Annotated[list[str], Atomic()] = []
    byName: dict[str, Port] = {}
    addresses: list[Annotated[str, Format("ip")]] = []
    size: Quantity = ""
    since: Time | None = None
    strategy: Annotated[Strategy, RetainKeys()] = msgspec.field(default_factory=Strategy)
    volumes: Annotated[list[Volume], ListMap(keys=("name",), patch_key="name", retain_keys=True)] = []
    self: Annotated[list[Inner], Atomic()] = []
    ratio: float = 0.0
    enabled: bool = False
    data: dict[str, Annotated[str, Format("byte")]] = {}


class Inner(Record):
    """Contains itself."""

    inner: list[Inner] = []
    mode: Annotated[str, OneOf("a", "b")] = ""


class Status(Record):
    replicas: Int32 = 0


class Thing(Object):
    """A thing to test with."""

    spec: Spec = msgspec.field(default_factory=Spec)
    status: Status = msgspec.field(default_factory=Status)


def rules(thing: Thing) -> Iterable[FieldError]:
    if thing.spec.enabled and not thing.spec.ports:
        yield forbidden("spec.enabled", "may not be set without ports")


THING: Kind[Thing] = Kind(
    type=Thing,
    kind="Thing",
    group="test.example.com",
    version="v1",
    plural="things",
    singular="thing",
    short_names=("th",),
    categories=("all",),
    status=True,
    scale=True,
    columns=(
        Column("Name", lambda t, now: t.metadata.name, format="name", doc="The thing's name."),
        Column("Ports", lambda t, now: len(t.spec.ports), type="integer"),
        Column("Age", lambda t, now: f"{int(now)}s"),
        Column("Words", lambda t, now: ",".join(t.spec.words) or None, wide=True),
    ),
    rules=rules,
)


def thing(*, name: str = "a", namespace: str = "default", **spec: Any) -> Thing:
    tree = {"metadata": {"name": name, "namespace": namespace}, "spec": spec}
    return msgspec.convert(tree, Thing)
