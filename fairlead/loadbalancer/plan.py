"""Reconciles one Service of type LoadBalancer: its address, its finalizer, and the event if it gets no address.

What must stay true: an address stays until the Service is deleted, changes its type, asks for another one or
collides with an older Service that shares it. A Service that cannot have the address it asks for keeps its present
one. A reconcile writes one thing only: first the finalizer, then the status; the write itself causes the next
reconcile.
"""

from __future__ import annotations

from ipaddress import ip_address

import msgspec

from fairlead.api.core.service.kind import SERVICE, LoadBalancerIngress, LoadBalancerStatus, PortStatus, Service
from fairlead.api.core.service.predicates import is_load_balancer
from fairlead.base.addresses import family_of
from fairlead.base.dataclass import dataclass
from fairlead.loadbalancer.holders import Allocations, Holder, conflict, conflicts, holder_of
from fairlead.loadbalancer.pool import Pool, render
from fairlead.runtime.plan import NOTHING, EventRecord, Patch, Plan, Update
from fairlead.service.frontends import load_balancer_ips
from fairlead.service.wellknown import (
    LOAD_BALANCER_CLASS,
    LOAD_BALANCER_FINALIZER,
    LOAD_BALANCER_IPS_ANNOTATION,
    SHARED_IP_ANNOTATION,
)

_FAILED = "SyncLoadBalancerFailed"
_ANOTHER_CLASS = "LoadBalancerClassNotServed"


@dataclass(frozen=True, slots=True)
class Decision:
    plan: Plan
    trouble: str = ""
    """The reason if the Service lacks an address, or has another one than requested."""


class NoAddress(Exception):
    """No address can be allocated. The text says why, and what to do."""


def is_ours(service: Service) -> bool:
    return is_load_balancer(service.spec) and service.spec.loadBalancerClass in (None, LOAD_BALANCER_CLASS)


def holds(service: Service) -> bool:
    """Returns True if the Service still holds the addresses in its status."""
    return is_ours(service) and not (
        service.metadata.deletionTimestamp and LOAD_BALANCER_FINALIZER not in service.metadata.finalizers
    )


def reconcile(service: Service, allocations: Allocations, pool: Pool, *, said: str) -> Decision:
    """Reconciles a Service. `said`: the trouble reported last; the same text is not reported twice."""
    if service.metadata.deletionTimestamp or not is_ours(service):
        return _withdraw(service, said)
    if LOAD_BALANCER_FINALIZER not in service.metadata.finalizers:
        note = EventRecord(service, "EnsuringLoadBalancer", "Ensuring load balancer")
        return Decision(
            Plan(
                patch=(_finalizers(service, [*service.metadata.finalizers, LOAD_BALANCER_FINALIZER]),), events=(note,)
            ),
            said,
        )
    try:
        addresses, trouble = choose(service, allocations, pool), ""
    except NoAddress as error:
        addresses, trouble = _still_its_own(service, allocations, pool), str(error)
    return Decision(_write(service, addresses, _complaint(service, trouble, said)), trouble)


def choose(service: Service, allocations: Allocations, pool: Pool) -> tuple[str, ...]:
    """Chooses an address for each of the Service's families. Raises NoAddress."""
    asked, me = _asked(service), holder_of(service)
    chosen = []
    for family in service.spec.ipFamilies or ["IPv4"]:
        if not pool.of_family(family):
            if (
                service.spec.ipFamilyPolicy == "RequireDualStack"
                or family in asked
                or not _others(service, family, pool)
            ):
                raise NoAddress(
                    f"the pool {render(pool.ranges)} has no {family} addresses: remove {family} from ipFamilies"
                )
            continue
        if family in asked:
            chosen.append(_requested(asked[family], me, allocations, pool))
        else:
            chosen.append(_current(family, service, me, allocations, pool) or _allocate(family, me, allocations, pool))
    return tuple(chosen)


def _others(service: Service, family: str, pool: Pool) -> bool:
    """Returns True if the pool has addresses of another family of the Service."""
    return any(other != family and pool.of_family(other) for other in service.spec.ipFamilies)


def _asked(service: Service) -> dict[str, str]:
    """Returns the requested addresses by family. The annotation takes precedence over the deprecated field."""
    text = service.metadata.annotations.get(LOAD_BALANCER_IPS_ANNOTATION, "") or service.spec.loadBalancerIP
    asked: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        try:
            address = str(ip_address(part))
        except ValueError:
            raise NoAddress(f'invalid IP address "{part}" requested: request an address of the pool, or none') from None
        family = family_of(address)
        if family in asked:
            raise NoAddress(f"two {family} addresses requested, {asked[family]} and {address}: request one")
        if family not in (service.spec.ipFamilies or ["IPv4"]):
            raise NoAddress(
                f"requested address {address} is not of the ipFamilies: add {family}, or request another address"
            )
        asked[family] = address
    return asked


def _requested(address: str, me: Holder, allocations: Allocations, pool: Pool) -> str:
    if address not in pool:
        raise NoAddress(
            f"requested address {address} is outside of the pool {render(pool.ranges)}: request another one, or none"
        )
    for key, why in conflicts(address, me, allocations):
        raise NoAddress(f"requested address {address} belongs to Service {key} ({why}): request another one, or none")
    return address


def _current(family: str, service: Service, me: Holder, allocations: Allocations, pool: Pool) -> str:
    mine = (a for a in load_balancer_ips(service) if family_of(a) == family and a in pool)
    return next((a for a in mine if not any(conflicts(a, me, allocations, older_only=True))), "")


def _allocate(family: str, me: Holder, allocations: Allocations, pool: Pool) -> str:
    """Returns an address that the Service may share, if it asks for that; else a free one."""
    ranges = pool.of_family(family)
    if me.sharing:
        held = [address for address in map(ip_address, allocations) if any(address in some for some in ranges)]
        for address in map(str, sorted(held, key=int)):
            others = [other for key, other in allocations[address].items() if key != me.key]
            if others and not any(conflict(me, other) for other in others):
                return address
    for some in ranges:
        for candidate in some:
            if not allocations.get(str(candidate), {}).keys() - {me.key}:
                return str(candidate)
    count = sum(some.size for some in ranges)
    raise NoAddress(
        f"all {count} addresses of the pool {render(ranges)} are in use: delete a Service of type LoadBalancer or "
        f"change its type, or let several share one with the annotation {SHARED_IP_ANNOTATION}"
    )


def _still_its_own(service: Service, allocations: Allocations, pool: Pool) -> tuple[str, ...]:
    me = holder_of(service)
    kept = (_current(family, service, me, allocations, pool) for family in ("IPv4", "IPv6"))
    return tuple(filter(None, kept))


def _complaint(service: Service, trouble: str, said: str) -> tuple[EventRecord, ...]:
    if not trouble or trouble == said:
        return ()
    text = f"Error syncing load balancer: failed to ensure load balancer: {trouble}"
    return (EventRecord(service, _FAILED, text, "Warning"),)


def _write(service: Service, addresses: tuple[str, ...], notes: tuple[EventRecord, ...]) -> Plan:
    ingress = [_point(service, address) for address in addresses]
    if ingress == service.status.loadBalancer.ingress:
        return Plan(events=notes)
    done = EventRecord(service, "EnsuredLoadBalancer", "Ensured load balancer") if ingress else None
    return Plan(status=(_status(service, ingress, done),), events=notes)


def _point(service: Service, address: str) -> LoadBalancerIngress:
    ports = [PortStatus(port=port.port, protocol=port.protocol or "TCP") for port in service.spec.ports]
    return LoadBalancerIngress(ip=address, ipMode="VIP", ports=ports)


def _withdraw(service: Service, said: str) -> Decision:
    """Releases the addresses of a Service that is being deleted or is not (or no longer) served by this controller."""
    if LOAD_BALANCER_FINALIZER in service.metadata.finalizers and not _is_anothers(service):
        left = [name for name in service.metadata.finalizers if name != LOAD_BALANCER_FINALIZER]
        if service.status.loadBalancer.ingress and (left or not service.metadata.deletionTimestamp):
            return Decision(Plan(status=(_status(service, [], None),)))
        notes = (
            EventRecord(service, "DeletingLoadBalancer", "Deleting load balancer"),
            EventRecord(service, "DeletedLoadBalancer", "Deleted load balancer"),
        )
        return Decision(Plan(patch=(_finalizers(service, left),), events=notes))
    if _is_anothers(service) and not service.status.loadBalancer.ingress and not service.metadata.deletionTimestamp:
        trouble = (
            f'this cluster serves loadBalancerClass "{LOAD_BALANCER_CLASS}" and Services without a class; '
            f'an address for class "{service.spec.loadBalancerClass}" must come from another controller. '
            "The class cannot be changed: to have an address from this cluster, recreate the Service without it"
        )
        hint = (EventRecord(service, _ANOTHER_CLASS, trouble),) if trouble != said else ()
        return Decision(Plan(events=hint), trouble)
    return Decision(NOTHING)


def _is_anothers(service: Service) -> bool:
    return is_load_balancer(service.spec) and not is_ours(service)


def _finalizers(service: Service, names: list[str]) -> Patch:
    meta = service.metadata
    body = {"uid": meta.uid, "resourceVersion": meta.resourceVersion, "finalizers": names or None}
    return Patch(SERVICE, meta.name, meta.namespace, {"metadata": body})


def _status(service: Service, points: list[LoadBalancerIngress], done: EventRecord | None) -> Update:
    status = msgspec.structs.replace(service.status, loadBalancer=LoadBalancerStatus(ingress=points))
    return Update(SERVICE, msgspec.structs.replace(service, status=status), "status", done=done)
