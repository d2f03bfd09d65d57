"""A lease: a heartbeat, or who leads."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from fairlead.api.columns import AGE, NAME
from fairlead.api.meta import Int32, MicroTime, Object, Record
from fairlead.api.rules import POSITIVE, not_negative
from fairlead.machinery.kind import Column, Kind
from fairlead.machinery.status import FieldError, invalid


class LeaseSpec(Record):
    acquireTime: MicroTime | None = None
    holderIdentity: str | None = None
    leaseDurationSeconds: Int32 | None = None
    leaseTransitions: Int32 | None = None
    preferredHolder: str | None = None
    renewTime: MicroTime | None = None
    strategy: str | None = None


class Lease(Object):
    """A heartbeat, or who leads."""

    spec: LeaseSpec = msgspec.field(default_factory=LeaseSpec)


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
    singular="lease",
    rules=_rules,
    columns=(
        NAME,
        Column("Holder", lambda lease, _: lease.spec.holderIdentity or "", doc="Who holds it."),
        AGE,
    ),
)
