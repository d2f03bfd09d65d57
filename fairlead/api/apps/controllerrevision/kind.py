"""The ControllerRevision kind: a stored version of a workload's settings."""

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec

from fairlead.api.meta.columns import AGE, NAME, NONE
from fairlead.api.meta.rules import not_negative, unchanged
from fairlead.api.meta.types import Int64, Object, controller_of
from fairlead.base.instant import Instant
from fairlead.machinery.kinds.kind import Column, Doc, Strategy
from fairlead.machinery.values.status import FieldError, required


class ControllerRevision(Object):
    """Immutable snapshot of a workload's state, used for rollbacks and updates."""

    data: Annotated[Any, Doc("Serialized state of the workload at this revision; immutable.")] = None
    revision: Annotated[Int64, Doc("Number of the revision; a higher number is a newer state.")] = msgspec.field(
        default_factory=int
    )


def _controller(revision: ControllerRevision, _: Instant) -> str:
    owner = controller_of(revision.metadata)
    if owner is None:
        return NONE
    group = owner.apiVersion.rpartition("/")[0]
    return f"{owner.kind.lower()}.{group}/{owner.name}" if group else f"{owner.kind.lower()}/{owner.name}"


def _rules(revision: ControllerRevision) -> Iterator[FieldError]:
    if revision.data is None:
        yield required("data", "data is mandatory")
    yield from not_negative(revision.revision, "revision")


def _transition(old: ControllerRevision, new: ControllerRevision) -> Iterator[FieldError]:
    yield from unchanged(old.data, new.data, "data")


STRATEGY: Strategy[ControllerRevision] = Strategy(
    type=ControllerRevision,
    rules=_rules,
    transition=_transition,
    columns=(
        NAME,
        Column("Controller", _controller, doc="Workload that owns the revision, as kind and name."),
        Column("Revision", lambda revision, _: revision.revision, doc="Number of the revision; higher is newer."),
        AGE,
    ),
)
