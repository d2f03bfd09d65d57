"""A namespace: where names are unique, and what goes when it goes."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fairlead.api.meta import BY_TYPE, Object, Record, Strings, Time
from fairlead.machinery.kind import Kind


class NamespaceSpec(Record):
    finalizers: Strings = []


class NamespaceCondition(Record):
    type: str = ""
    status: str = ""
    lastTransitionTime: Time | None = None
    message: str = ""
    reason: str = ""


class NamespaceStatus(Record):
    conditions: Annotated[list[NamespaceCondition], BY_TYPE] = []
    phase: str = ""


class Namespace(Object):
    spec: NamespaceSpec = msgspec.field(default_factory=NamespaceSpec)
    status: NamespaceStatus = msgspec.field(default_factory=NamespaceStatus)


NAMESPACE = Kind(
    type=Namespace,
    kind="Namespace",
    plural="namespaces",
    singular="namespace",
    short_names=("ns",),
    namespaced=False,
    status=True,
    name_rule="label",
)
