"""The decision of a controller, as a value. `runtime.apply` carries it out; this module does no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from fairlead.api.meta.types import Object
from fairlead.base.dataclass import dataclass
from fairlead.machinery.kinds.kind import Kind

Propagation = Literal["", "Background", "Foreground", "Orphan"]


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An Event to record about an object. In the message of a record attached to a write, `{name}` stands for the name
    that the server generated and `{error}` for the server's message."""

    about: Object
    reason: str
    message: str
    type: Literal["Normal", "Warning"] = "Normal"
    component: str = ""
    """The component that the Event names as its source, if it is not that of the applier."""


@dataclass(frozen=True, slots=True)
class Create:
    """A new object. `done` is recorded after the write, `failed` if the server refuses it."""

    kind: Kind[Any]
    obj: Object
    done: EventRecord | None = None
    failed: EventRecord | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """A write of a whole object. A conflict leads to another reconcile and is not an error. Without a resourceVersion
    in `obj`, the write overwrites."""

    kind: Kind[Any]
    obj: Object
    subresource: str = ""
    done: EventRecord | None = None
    failed: EventRecord | None = None


@dataclass(frozen=True, slots=True)
class Patch:
    """A merge patch."""

    kind: Kind[Any]
    name: str
    namespace: str
    patch: Mapping[str, Any]
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Delete:
    """A deletion of exactly this object: its uid is the precondition."""

    kind: Kind[Any]
    obj: Object
    propagation: Propagation = ""
    grace_period_seconds: int | None = None
    done: EventRecord | None = None
    failed: EventRecord | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """Any other request."""

    method: str
    path: str
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The writes of one reconcile, in the order in which they are carried out. `status` holds updates of the `status`
    subresource; `status_if_refused` those that are due if objects cannot be created because their namespace is being
    deleted."""

    create: tuple[Create, ...] = ()
    update: tuple[Update, ...] = ()
    delete: tuple[Delete, ...] = ()
    patch: tuple[Patch, ...] = ()
    call: tuple[Call, ...] = ()
    status: tuple[Update, ...] = ()
    status_if_refused: tuple[Update, ...] = ()
    events: tuple[EventRecord, ...] = ()
    retry_after: float | None = None

    def __bool__(self) -> bool:
        """Returns whether there is anything to write (`retry_after` alone does not count)."""
        return bool(self.create or self.update or self.delete or self.patch or self.call or self.status or self.events)


NOTHING = Plan()
