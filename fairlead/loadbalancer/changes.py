"""Events about changes of a Service that a load balancer has to follow, in upstream's words. Pure.

Upstream's service controller (k8s.io/cloud-provider, `needsUpdate`) names the change and then ensures the load
balancer again; of several differences it reports the first. One difference: only the annotations used here count,
since the cluster itself writes one (the host's URLs) on every Service.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from fairlead.api.core.service.kind import Service
from fairlead.base.keys import key_of
from fairlead.loadbalancer.plan import is_ours
from fairlead.runtime.plan import EventRecord
from fairlead.service.wellknown import LOAD_BALANCER_FINALIZER, LOAD_BALANCER_IPS_ANNOTATION, SHARED_IP_ANNOTATION

_ENSURING = ("EnsuringLoadBalancer", "Ensuring load balancer")
_SILENT = ("sessionAffinity", "sessionAffinityConfig")


def change_events(old: Service, new: Service) -> tuple[EventRecord, ...]:
    """Returns the events, in order. Events about the effects of a change of type are recorded by `plan.py`."""
    if new.metadata.uid != old.metadata.uid or new.metadata.deletionTimestamp:
        return ()
    if is_ours(old) != is_ours(new):
        return (
            (EventRecord(new, "Type", f"{old.spec.type} -> {new.spec.type}"),) if old.spec.type != new.spec.type else ()
        )
    if not is_ours(new):
        return ()
    changes = tuple(islice(_differences(old, new), 1))
    if not changes and not _needs_more(old, new):
        return ()
    return (*changes, EventRecord(new, *_ENSURING)) if LOAD_BALANCER_FINALIZER in new.metadata.finalizers else changes


def _differences(old: Service, new: Service) -> Iterator[EventRecord]:
    before, now = old.spec, new.spec
    if before.loadBalancerSourceRanges != now.loadBalancerSourceRanges:
        ranges = f"{_list(before.loadBalancerSourceRanges)} -> {_list(now.loadBalancerSourceRanges)}"
        yield EventRecord(new, "LoadBalancerSourceRanges", ranges)
    if before.loadBalancerIP != now.loadBalancerIP:
        yield EventRecord(new, "LoadbalancerIP", f"{before.loadBalancerIP} -> {now.loadBalancerIP}")
    if len(before.externalIPs) != len(now.externalIPs):
        yield EventRecord(new, "ExternalIP", f"Count: {len(before.externalIPs)} -> {len(now.externalIPs)}")
    else:
        for ip_before, ip in zip(before.externalIPs, now.externalIPs, strict=True):
            if ip_before != ip:
                yield EventRecord(new, "ExternalIP", f"Added: {ip}")
                break
    if before.externalTrafficPolicy != now.externalTrafficPolicy:
        yield EventRecord(
            new, "ExternalTrafficPolicy", f"{before.externalTrafficPolicy} -> {now.externalTrafficPolicy}"
        )
    if before.healthCheckNodePort != now.healthCheckNodePort:
        yield EventRecord(new, "HealthCheckNodePort", f"{before.healthCheckNodePort} -> {now.healthCheckNodePort}")
    if len(before.ipFamilies) != len(now.ipFamilies):
        yield EventRecord(new, "IPFamilies", f"Count: {len(before.ipFamilies)} -> {len(now.ipFamilies)}")


def _needs_more(old: Service, new: Service) -> bool:
    """Returns True if a change is followed without an event that names it."""
    if old.spec.ports != new.spec.ports:
        return True
    if any(getattr(old.spec, name) != getattr(new.spec, name) for name in _SILENT):
        return True
    asks = (LOAD_BALANCER_IPS_ANNOTATION, SHARED_IP_ANNOTATION)
    return any(old.metadata.annotations.get(key) != new.metadata.annotations.get(key) for key in asks)


def _list(values: list[str]) -> str:
    """Renders a list as Go prints it."""
    return f"[{' '.join(values)}]"


def updated(service: Service, hosts: int) -> EventRecord:
    """Returns the event after a change of the nodes that may announce the Service's addresses."""
    if hosts:
        return EventRecord(service, "UpdatedLoadBalancer", "Updated load balancer with new hosts")
    place = key_of(service.metadata)
    text = f"There are no available nodes for LoadBalancer service {place}"
    return EventRecord(service, "UnAvailableLoadBalancer", text, "Warning")


def ensured(service: Service) -> EventRecord:
    return EventRecord(service, "EnsuredLoadBalancer", "Ensured load balancer")
