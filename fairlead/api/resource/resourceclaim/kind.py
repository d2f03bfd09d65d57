"""The ResourceClaim kind: a request for devices. No component allocates devices yet."""

from __future__ import annotations

from fairlead.api.core.amounts import canonicalize
from fairlead.api.meta.columns import AGE, NAME
from fairlead.api.resource.devices.rules import default_claim
from fairlead.api.resource.resourceclaim.rules import claim_changes, claim_rules, drop_freed_devices
from fairlead.api.resource.resourceclaim.types import ResourceClaim, ResourceClaimStatus
from fairlead.base.instant import Instant
from fairlead.machinery.kinds.kind import Column, Strategy


def _default(claim: ResourceClaim) -> ResourceClaim:
    default_claim(claim.spec.devices)
    if claim.status.allocation is not None:
        for result in claim.status.allocation.devices.results:
            canonicalize(result.consumedCapacity)
            for toleration in result.tolerations:
                toleration.operator = toleration.operator or "Equal"
    return claim


def _prepare_create(claim: ResourceClaim) -> ResourceClaim:
    claim.status = ResourceClaimStatus()
    return claim


def _state(claim: ResourceClaim, _: Instant) -> str:
    deleted = claim.metadata.deletionTimestamp is not None
    states = ["deleted"] if deleted else []
    if claim.status.allocation is not None:
        states += ["allocated", *(["reserved"] if claim.status.reservedFor else [])]
    elif not deleted:
        states.append("pending")
    return ",".join(states)


STRATEGY: Strategy[ResourceClaim] = Strategy(
    type=ResourceClaim,
    columns=(NAME, Column("State", _state, doc="State of the claim, such as pending or allocated,reserved."), AGE),
    default=_default,
    prepare_create=_prepare_create,
    prepare_status=drop_freed_devices,
    rules=claim_rules,
    transition=claim_changes,
)
