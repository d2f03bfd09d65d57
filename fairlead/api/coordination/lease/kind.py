"""A lease: a heartbeat, or who leads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.meta.columns import AGE, NAME
from fairlead.api.meta.rules import POSITIVE, not_negative
from fairlead.api.meta.types import Int32, MicroTime, Object, Record
from fairlead.machinery.kind import Column, Doc, Kind
from fairlead.machinery.status import FieldError, invalid


class LeaseSpec(Record):
    acquireTime: Annotated[MicroTime, Doc("Since when.")] | None = None
    holderIdentity: Annotated[str, Doc("Who holds it.")] | None = None
    leaseDurationSeconds: (
        Annotated[Int32, Doc("How long others wait after the last renewal before they take it.")] | None
    ) = None
    leaseTransitions: Annotated[Int32, Doc("How often it changed hands.")] | None = None
    preferredHolder: Annotated[str, Doc("Who would rather hold it.")] | None = None
    renewTime: Annotated[MicroTime, Doc("When it was last renewed.")] | None = None
    strategy: Annotated[str, Doc("How holders are chosen.")] | None = None


class Lease(Object):
    """A heartbeat, or who leads."""

    spec: Annotated[LeaseSpec, Doc("Who holds it.")] = msgspec.field(default_factory=LeaseSpec)


def _rules(lease: Lease) -> Iterator[FieldError]:
    seconds = lease.spec.leaseDurationSeconds
    if seconds is not None and seconds <= 0:
        yield invalid("spec.leaseDurationSeconds", seconds, POSITIVE)
    yield from not_negative(lease.spec.leaseTransitions, "spec.leaseTransitions")


LEASE = Kind(
    type=Lease,
    kind="Lease",
    group="coordination.k8s.io",
    plural="leases",
    storage_path="leases",
    cached="object",
    keeps_history=False,  # heartbeats are most writes of an idle cluster
    singular="lease",
    rules=_rules,
    columns=(
        NAME,
        Column("Holder", lambda lease, _: lease.spec.holderIdentity or "", doc="Who holds it."),
        AGE,
    ),
)
