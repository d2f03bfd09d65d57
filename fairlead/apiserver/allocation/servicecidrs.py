"""Service CIDRs: the ranges of new addresses, and the end of a range. Pure.

Source: upstream's service CIDR controller. A terminating range gives no new addresses. It stays as long as an address
is in use that no other range contains.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from fairlead.api.meta.types import Condition
from fairlead.api.networking.servicecidr.kind import ServiceCIDR
from fairlead.apiserver.allocation.addresspool import Address, Network

FINALIZER = "networking.k8s.io/service-cidr-finalizer"
DEFAULT_NAME = "kubernetes"
_READY = "Ready"
_READY_TEXT = "Kubernetes Service CIDR is ready"
_IN_USE_TEXT = "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR"


def networks_of(service_cidr: ServiceCIDR) -> list[Network]:
    return [ipaddress.ip_network(cidr) for cidr in service_cidr.spec.cidrs]


def usable_networks(configured: Sequence[Network], cidrs: Iterable[ServiceCIDR]) -> list[Network]:
    """Returns the ranges of new addresses: the configured ones first, then those of the objects by name."""
    ordered = sorted(cidrs, key=lambda cidr: cidr.metadata.name)
    usable = [network for cidr in ordered if _is_usable(cidr) for network in networks_of(cidr)]
    known = {network for cidr in ordered for network in networks_of(cidr)}
    own = [network for network in configured if network in usable or network not in known]
    return [*own, *(network for network in usable if network not in own)]


def _is_usable(cidr: ServiceCIDR) -> bool:
    """Returns whether the range is ready. A range without the condition is new and counts as ready."""
    ready = condition_of(cidr)
    return cidr.metadata.deletionTimestamp is None and (ready is None or ready.status == "True")


def condition_of(cidr: ServiceCIDR) -> Condition | None:
    return next((c for c in cidr.status.conditions if c.type == _READY), None)


def desired_finalizers(cidr: ServiceCIDR, others: Sequence[ServiceCIDR], used: Iterable[Address]) -> list[str]:
    """Returns the finalizers; ours stays until the range may be removed."""
    rest = [name for name in cidr.metadata.finalizers if name != FINALIZER]
    if cidr.metadata.deletionTimestamp is not None and can_delete(cidr, others, used):
        return rest
    if cidr.metadata.deletionTimestamp is not None and FINALIZER not in cidr.metadata.finalizers:
        return rest
    return [*rest, FINALIZER]


def desired_condition(cidr: ServiceCIDR, *, now: str) -> Condition:
    """Returns the condition Ready. A terminating range is not ready and still in use."""
    if cidr.metadata.deletionTimestamp is None:
        desired = Condition(type=_READY, status="True", message=_READY_TEXT)
    else:
        desired = Condition(type=_READY, status="False", reason="Terminating", message=_IN_USE_TEXT)
    before = condition_of(cidr)
    same = before is not None and before.status == desired.status
    desired.lastTransitionTime = before.lastTransitionTime if same and before is not None else now
    return desired


def can_delete(cidr: ServiceCIDR, others: Sequence[ServiceCIDR], used: Iterable[Address]) -> bool:
    """Returns whether every address in use in the range is also in a range that stays."""
    staying = [n for other in others if other.metadata.deletionTimestamp is None for n in networks_of(other)]
    mine = networks_of(cidr)
    if all(any(contains(other, network) for other in staying) for network in mine):
        return True
    return all(
        any(address in other for other in staying) for address in used if any(address in network for network in mine)
    )


def contains(outer: Network, inner: Network) -> bool:
    return outer.version == inner.version and inner[0] in outer and inner[-1] in outer
