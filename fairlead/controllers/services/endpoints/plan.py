"""Decides the Endpoints object of one Service: its pods' ready and not-ready addresses, in canonical subsets.

An object has at most 1,000 addresses; the rest is left out, not-ready addresses first, and an annotation says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from fairlead.api.core.endpoints.kind import ENDPOINTS, EndpointAddress, EndpointPort, Endpoints, EndpointSubset
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.service.kind import Service
from fairlead.api.core.service.predicates import is_headless
from fairlead.api.meta.reference import ObjectReference
from fairlead.api.meta.types import Object, ObjectMeta
from fairlead.base.instant import Instant, render_micro_time
from fairlead.controllers.services.endpoints.subsets import CAPACITY, repack, truncate
from fairlead.runtime.plan import NOTHING, Create, Delete, EventRecord, Plan, Update
from fairlead.service.families import address_of, families_of
from fairlead.service.members import counts_as_ready, has_endpoint, hostname_of, selects_pods
from fairlead.service.ports import Port, pod_ports
from fairlead.service.wellknown import HEADLESS_LABEL, TRIGGER_TIME_ANNOTATION

MANAGED_BY = "endpoints.kubernetes.io/managed-by"
MANAGER = "endpoint-controller"
LEADER = "control-plane.alpha.kubernetes.io/leader"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"


def reconcile(service: Service, pods: Sequence[Pod], existing: Endpoints | None, *, now: Instant) -> Plan:
    """Returns the plan for the Service. `pods` are those that the selector matches. `now` is the time of the change
    that caused this reconcile."""
    if not selects_pods(service) or service.metadata.deletionTimestamp:
        return NOTHING
    desired = _desired(service, pods, now)
    if existing is None:
        failed = _failed(service, "FailedToCreateEndpoint", "Failed to create endpoint for service")
        return Plan(create=(Create(ENDPOINTS, desired, failed=failed),))
    if _same(existing, desired):
        return NOTHING
    old = existing.metadata.annotations
    annotations = {key: value for key, value in old.items() if key != OVER_CAPACITY} | desired.metadata.annotations
    meta = msgspec.structs.replace(existing.metadata, labels=desired.metadata.labels, annotations=annotations)
    new = msgspec.structs.replace(existing, metadata=meta, subsets=desired.subsets)
    failed = _failed(existing, "FailedToUpdateEndpoint", "Failed to update endpoint")
    return Plan(update=(Update(ENDPOINTS, new, failed=failed),))


def withdraw(existing: Endpoints | None, *, just_deleted: bool) -> Plan:
    """Returns the plan after the Service was not found. If it was deleted just now, its Endpoints are deleted,
    hand-written ones too, as upstream does. Endpoints that never had a Service stay: their author may be about to
    create it."""
    if existing is None or existing.metadata.deletionTimestamp:
        return NOTHING
    if LEADER in existing.metadata.annotations:
        return NOTHING  # the leader-election lock of an old client, not addresses
    if not just_deleted and existing.metadata.labels.get(MANAGED_BY) != MANAGER:
        return NOTHING
    return Plan(delete=(Delete(ENDPOINTS, existing),))


def _failed(about: Object, reason: str, text: str) -> EventRecord:
    return EventRecord(about, reason, f"{text} {about.metadata.namespace}/{about.metadata.name}: {{error}}", "Warning")


def _desired(service: Service, pods: Sequence[Pod], now: Instant) -> Endpoints:
    subsets = repack(_of_pods(service, pods))
    annotations = {TRIGGER_TIME_ANNOTATION: render_micro_time(now)}
    if sum(len(s.addresses) + len(s.notReadyAddresses) for s in subsets) > CAPACITY:
        annotations[OVER_CAPACITY] = "truncated"
    return Endpoints(
        kind=ENDPOINTS.kind,
        apiVersion=ENDPOINTS.api_version,
        metadata=ObjectMeta(
            name=service.metadata.name,
            namespace=service.metadata.namespace,
            labels=_labels(service),
            annotations=annotations,
        ),
        subsets=truncate(subsets),
    )


def _of_pods(service: Service, pods: Sequence[Pod]) -> Iterator[EndpointSubset]:
    """Yields one subset for each pod that has an address."""
    family = families_of(service)[0]
    for pod in pods:
        ip = address_of(pod, family)
        hidden = bool(pod.metadata.deletionTimestamp) and not service.spec.publishNotReadyAddresses
        if not ip or hidden or not has_endpoint(pod):
            continue
        ports = pod_ports(service, pod)
        if service.spec.ports and not ports:
            continue
        address = [_address(service, pod, ip)]
        if counts_as_ready(pod, service):
            yield EndpointSubset(addresses=address, ports=_ports(ports))
        else:
            yield EndpointSubset(notReadyAddresses=address, ports=_ports(ports))


def _address(service: Service, pod: Pod, address: str) -> EndpointAddress:
    meta = pod.metadata
    return EndpointAddress(
        ip=address,
        hostname=hostname_of(pod, service),
        nodeName=pod.spec.nodeName or None,
        targetRef=ObjectReference(kind="Pod", namespace=meta.namespace, name=meta.name, uid=meta.uid),
    )


def _ports(ports: tuple[Port, ...]) -> list[EndpointPort]:
    return [
        EndpointPort(name=p.name, port=p.number, protocol=p.protocol, appProtocol=p.app_protocol or None) for p in ports
    ]


def _labels(service: Service) -> dict[str, str]:
    labels = {key: value for key, value in service.metadata.labels.items() if key != HEADLESS_LABEL}
    if is_headless(service.spec):
        labels[HEADLESS_LABEL] = ""
    return labels | {MANAGED_BY: MANAGER}


def _same(old: Endpoints, new: Endpoints) -> bool:
    """Returns whether the objects differ in the trigger time and the order at most."""
    kept, desired = old.metadata.annotations, new.metadata.annotations
    return (
        new.subsets in (old.subsets, repack(old.subsets))
        and old.metadata.labels == new.metadata.labels
        and kept.get(OVER_CAPACITY) == desired.get(OVER_CAPACITY)
    )
