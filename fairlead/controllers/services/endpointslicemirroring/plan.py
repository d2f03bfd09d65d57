"""Decides the EndpointSlices that mirror one Endpoints object: a slice for each set of ports and address family.

- Endpoints of a Service without a selector are mirrored, unless a label forbids it. The slices are deleted with the
  Endpoints, with the Service, or if the Endpoints may no longer be mirrored.
- Labels and annotations are copied, except those about the history of the Endpoints object.
- At most a thousand addresses of a subset, the ready ones first; Events on the Endpoints report those left out.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

import msgspec

from fairlead.api.core.endpoints.kind import ENDPOINTS, EndpointAddress, Endpoints, EndpointSubset
from fairlead.api.core.service.kind import Service
from fairlead.api.discovery.endpointslice.kind import (
    ENDPOINT_SLICE,
    Endpoint,
    EndpointConditions,
    EndpointPort,
    EndpointSlice,
)
from fairlead.api.meta.types import ObjectMeta
from fairlead.base.addresses import unmapped
from fairlead.base.dataclass import dataclass, field
from fairlead.base.keys import key_of
from fairlead.controllers.ownership import controller_reference
from fairlead.controllers.services.endpoints.plan import LEADER
from fairlead.controllers.services.endpoints.plan import MANAGED_BY as ENDPOINTS_MANAGED_BY
from fairlead.controllers.services.endpoints.plan import MANAGER as ENDPOINTS_MANAGER
from fairlead.controllers.services.endpoints.subsets import repack
from fairlead.runtime.plan import NOTHING, Create, Delete, EventRecord, Plan, Update
from fairlead.service.ports import Port
from fairlead.service.wellknown import MANAGED_BY_LABEL, SERVICE_NAME_LABEL, TRIGGER_TIME_ANNOTATION

MANAGER = "endpointslicemirroring-controller.k8s.io"
SKIP = "endpointslice.kubernetes.io/skip-mirror"
CAPACITY = 1000
"""Greatest number of addresses of one subset, and of endpoints in one slice."""
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

Group = tuple[str, tuple[Port, ...]]
"""An address family and a set of ports."""


def reconcile(service: Service | None, endpoints: Endpoints | None, slices: Sequence[EndpointSlice]) -> Plan:
    """Returns the plan for the Endpoints. `slices` are those labelled with the Service's name and this manager."""
    existing = sorted((s for s in slices if not s.metadata.deletionTimestamp), key=lambda s: s.metadata.name)
    if endpoints is None or endpoints.metadata.deletionTimestamp or not _is_mirrored(service, endpoints):
        return Plan(delete=tuple(Delete(ENDPOINT_SLICE, s) for s in existing)) if existing else NOTHING
    desired = _Desired()
    for subset in repack(endpoints.subsets):
        desired.add(subset)
    by_group: dict[Group, list[EndpointSlice]] = {}
    for s in existing:
        by_group.setdefault((s.addressType, _ports_of_slice(s)), []).append(s)
    create: list[Create] = []
    update: list[Update] = []
    delete: list[Delete] = []
    for group in sorted(desired.groups.keys() | by_group.keys()):
        old = by_group.get(group, [])
        members = list(desired.groups.get(group, {}).values())
        chunks = [members[at : at + CAPACITY] for at in range(0, len(members), CAPACITY)]
        for s, chunk in zip(old, chunks, strict=False):
            update += _update(endpoints, s, chunk)
        create += [_create(endpoints, group, desired.ports[group], chunk) for chunk in chunks[len(old) :]]
        delete += [Delete(ENDPOINT_SLICE, s) for s in old[len(chunks) :]]
    events = tuple(_events(endpoints, desired)) if create or update or delete else ()
    return Plan(create=tuple(create), update=tuple(update), delete=tuple(delete), events=events)


def _is_mirrored(service: Service | None, endpoints: Endpoints) -> bool:
    meta = endpoints.metadata
    ours = meta.labels.get(ENDPOINTS_MANAGED_BY) == ENDPOINTS_MANAGER
    if ours or meta.labels.get(SKIP) == "true" or LEADER in meta.annotations:
        return False
    return service is not None and not service.spec.selector


@dataclass(slots=True)
class _Desired:
    """The endpoints by group, each by its identity."""

    groups: dict[Group, dict[tuple[str, str], Endpoint]] = field(default_factory=dict)
    ports: dict[Group, list[EndpointPort]] = field(default_factory=dict)
    skipped: int = 0
    invalid: int = 0

    def add(self, subset: EndpointSubset) -> None:
        ports = [
            EndpointPort(name=p.name, port=p.port, protocol=p.protocol or "TCP", appProtocol=p.appProtocol)
            for p in subset.ports
        ]
        addresses = [(a, True) for a in subset.addresses] + [(a, False) for a in subset.notReadyAddresses]
        added = 0
        for address, ready in addresses:
            if added >= CAPACITY:
                self.skipped += 1
                continue
            ip = _address(address.ip)
            if ip is None:
                self.invalid += 1
                continue
            group = (f"IPv{ip.version}", _port_set(ports))
            self.ports.setdefault(group, ports)
            uid = address.targetRef.uid if address.targetRef else ""
            self.groups.setdefault(group, {}).setdefault((str(ip), uid), _endpoint(address, str(ip), ready))
            added += 1


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return unmapped(ipaddress.ip_address(text))
    except ValueError:
        return None


def _endpoint(address: EndpointAddress, ip: str, ready: bool) -> Endpoint:
    return Endpoint(
        addresses=[ip],
        conditions=EndpointConditions(ready=ready),
        hostname=address.hostname or None,
        nodeName=address.nodeName,
        targetRef=address.targetRef,
    )


def _port_set(ports: Sequence[EndpointPort]) -> tuple[Port, ...]:
    return tuple(sorted(Port(p.name or "", p.protocol or "TCP", p.port or 0, p.appProtocol or "") for p in ports))


def _ports_of_slice(s: EndpointSlice) -> tuple[Port, ...]:
    return _port_set(s.ports)


def _create(endpoints: Endpoints, group: Group, ports: list[EndpointPort], chunk: Sequence[Endpoint]) -> Create:
    meta = ObjectMeta(
        generateName=f"{endpoints.metadata.name}-",
        namespace=endpoints.metadata.namespace,
        labels=_labels(endpoints),
        annotations=_annotations(endpoints),
        ownerReferences=[controller_reference(ENDPOINTS.api_version, ENDPOINTS.kind, endpoints.metadata)],
    )
    made = EndpointSlice(
        kind=ENDPOINT_SLICE.kind,
        apiVersion=ENDPOINT_SLICE.api_version,
        metadata=meta,
        addressType=group[0],
        endpoints=list(chunk),
        ports=ports,
    )
    return Create(ENDPOINT_SLICE, made, failed=_failed(endpoints, "FailedToCreateEndpointSlices"))


def _update(endpoints: Endpoints, old: EndpointSlice, chunk: Sequence[Endpoint]) -> list[Update]:
    meta = msgspec.structs.replace(
        old.metadata,
        labels=_labels(endpoints),
        annotations=_annotations(endpoints),
        ownerReferences=[controller_reference(ENDPOINTS.api_version, ENDPOINTS.kind, endpoints.metadata)],
    )
    new = msgspec.structs.replace(old, metadata=meta, endpoints=list(chunk))
    return (
        [] if new == old else [Update(ENDPOINT_SLICE, new, failed=_failed(endpoints, "FailedToUpdateEndpointSlices"))]
    )


def _failed(endpoints: Endpoints, reason: str) -> EventRecord:
    key = key_of(endpoints.metadata)
    return EventRecord(endpoints, reason, f"Error updating EndpointSlices for Endpoints {key}: {{error}}", "Warning")


def _events(endpoints: Endpoints, desired: _Desired) -> list[EventRecord]:
    events = []
    if desired.invalid:
        text = f"Skipped {desired.invalid} invalid IP addresses when mirroring to EndpointSlices"
        events.append(EventRecord(endpoints, "InvalidIPAddress", text, "Warning"))
    if desired.skipped:
        text = (
            f"A max of {CAPACITY} addresses can be mirrored to EndpointSlices per Endpoints subset. "
            f"{desired.skipped} addresses were skipped"
        )
        events.append(EventRecord(endpoints, "TooManyAddressesToMirror", text, "Warning"))
    return events


def _labels(endpoints: Endpoints) -> dict[str, str]:
    return endpoints.metadata.labels | {SERVICE_NAME_LABEL: endpoints.metadata.name, MANAGED_BY_LABEL: MANAGER}


def _annotations(endpoints: Endpoints) -> dict[str, str]:
    return {
        k: v for k, v in endpoints.metadata.annotations.items() if k not in (TRIGGER_TIME_ANNOTATION, _LAST_APPLIED)
    }
