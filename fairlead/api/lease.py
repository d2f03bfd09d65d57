"""A lease: a heartbeat, or who leads."""

from __future__ import annotations

import msgspec

from fairlead.api.columns import AGE, NAME
from fairlead.api.meta import Int32, MicroTime, Object, Record
from fairlead.machinery.kind import Column, Kind


class LeaseSpec(Record):
    acquireTime: MicroTime | None = None
    holderIdentity: str | None = None
    leaseDurationSeconds: Int32 | None = None
    leaseTransitions: Int32 | None = None
    preferredHolder: str | None = None
    renewTime: MicroTime | None = None
    strategy: str | None = None


class Lease(Object):
    spec: LeaseSpec = msgspec.field(default_factory=LeaseSpec)


LEASE = Kind(
    type=Lease,
    kind="Lease",
    group="coordination.k8s.io",
    plural="leases",
    singular="lease",
    columns=(
        NAME,
        Column("Holder", lambda lease, _: lease.spec.holderIdentity or "", doc="Who holds it."),
        AGE,
    ),
)
