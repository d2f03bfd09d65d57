"""The Lease kind: heartbeats and leader election."""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.meta.columns import AGE, NAME
from fairlead.api.meta.rules import POSITIVE, not_negative
from fairlead.api.meta.types import Int32, MicroTime, Object, Record
from fairlead.machinery.kinds.kind import Column, Doc, Kind
from fairlead.machinery.values.status import FieldError, invalid


class LeaseSpec(Record):
    """State of a lease: its holder, its duration and the time of the last renewal."""

    acquireTime: Annotated[MicroTime, Doc("Time at which the present holder acquired the lease.")] | None = None
    holderIdentity: (
        Annotated[str, Doc("Identity of the present holder of the lease; empty if the lease is free.")] | None
    ) = None
    leaseDurationSeconds: (
        Annotated[Int32, Doc("Seconds that candidates wait after `renewTime` before they may take over the lease.")]
        | None
    ) = None
    leaseTransitions: (
        Annotated[Int32, Doc("Number of times that the lease passed from one holder to another.")] | None
    ) = None
    preferredHolder: (
        Annotated[str, Doc("Identity to which the present holder should yield the lease; requires `strategy`.")] | None
    ) = None
    renewTime: Annotated[MicroTime, Doc("Time at which the present holder last renewed the lease.")] | None = None
    strategy: (
        Annotated[
            str, Doc("Strategy by which coordinated leader election picks the holder, such as OldestEmulationVersion.")
        ]
        | None
    ) = None


class Lease(Object):
    """Record of a lock that expires without renewal; used as a heartbeat of nodes and for leader election."""

    spec: Annotated[LeaseSpec, Doc("Holder of the lease, times of acquisition and renewal, and duration.")] = (
        msgspec.field(default_factory=LeaseSpec)
    )


def _rules(lease: Lease) -> Iterator[FieldError]:
    seconds = lease.spec.leaseDurationSeconds
    if seconds is not None and seconds <= 0:
        yield invalid("spec.leaseDurationSeconds", seconds, POSITIVE)
    yield from not_negative(lease.spec.leaseTransitions, "spec.leaseTransitions")


LEASE = Kind(
    type=Lease,
    created_by_update=True,
    kind="Lease",
    group="coordination.k8s.io",
    plural="leases",
    storage_path="leases",
    cached="object",
    keeps_history=False,  # heartbeats are the majority of writes in an idle cluster
    singular="lease",
    rules=_rules,
    unconditional_update=False,
    qualified_finalizers=False,
    columns=(
        NAME,
        Column(
            "Holder",
            lambda lease, _: lease.spec.holderIdentity or "",
            doc="Identity of the present holder of the lease.",
        ),
        AGE,
    ),
)
