"""Decides the EndpointSlices of one Service.

- A pod is in exactly one slice; a change of one pod changes one slice.
- Existing slices keep what they have and are filled before new ones are made; at most 100 endpoints each.
  A slice that falls empty is used again for other ports before it is deleted: one write instead of two.
- Slices of other managers are not looked at. Without pods, one empty slice says that this is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from fairlead.api.endpointslice import ENDPOINT_SLICE, Endpoint, EndpointConditions, EndpointPort, EndpointSlice
from fairlead.api.meta import ObjectMeta
from fairlead.api.pod import Pod
from fairlead.api.reference import ObjectReference
from fairlead.api.service import SERVICE, Service
from fairlead.base.instant import Instant, render_micro_time
from fairlead.controllers.endpointslice.packing import pack
from fairlead.controllers.podfacts import controller_reference, is_ready
from fairlead.controllers.serviceports import (
    HEADLESS,
    MANAGED_BY,
    SERVICE_NAME,
    TRIGGER_TIME,
    Port,
    has_endpoint,
    hostname_of,
    ipv4_of,
    is_headless,
    ports_of,
    selects_pods,
)
from fairlead.runtime.plan import NOTHING, Create, Delete, Plan, Update

MANAGER = "endpointslice-controller.k8s.io"
_RESERVED = (SERVICE_NAME, MANAGED_BY, HEADLESS)

PortSet = tuple[Port, ...]


def reconcile(
    service: Service, pods: Sequence[Pod], slices: Sequence[EndpointSlice], zones: Mapping[str, str], *, now: Instant
) -> Plan:
    """`pods` are those the selector matches, `slices` those labelled with the Service and this manager, `zones`
    the nodes' zones by name. `now` is when the change came that led here."""
    if service.metadata.deletionTimestamp:
        return NOTHING
    existing = sorted((s for s in slices if not s.metadata.deletionTimestamp), key=lambda s: s.metadata.name)
    if not selects_pods(service):
        return withdraw(existing)
    groups = _groups(service, pods, zones)
    by_ports: dict[PortSet, list[EndpointSlice]] = {ports: [] for ports in groups}
    for s in existing:
        by_ports.setdefault(_ports_of_slice(s), []).append(s)
    contents: list[tuple[EndpointSlice, PortSet, tuple[Endpoint, ...]]] = []
    homeless: list[tuple[PortSet, tuple[Endpoint, ...]]] = []
    spare: list[EndpointSlice] = []
    for ports in sorted(by_ports):
        packed = pack(groups.get(ports, {}), by_ports[ports])
        contents += [(s, ports, held) for s, held in packed.kept]
        homeless += [(ports, held) for held in packed.new]
        spare += packed.empty
    if not contents and not homeless:
        homeless.append(((), ()))
    contents += [(s, *home) for s, home in zip(spare, homeless, strict=False)]
    made = homeless[len(spare) :]
    return Plan(
        create=tuple(Create(ENDPOINT_SLICE, _slice(service, ports, held, now)) for ports, held in made),
        update=tuple(u for s, ports, held in contents for u in _update(s, _slice(service, ports, held, now))),
        delete=tuple(Delete(ENDPOINT_SLICE, s) for s in spare[len(homeless) :]),
    )


def withdraw(slices: Sequence[EndpointSlice]) -> Plan:
    """The Service is gone, or selects nothing any more."""
    return Plan(delete=tuple(Delete(ENDPOINT_SLICE, s) for s in slices if not s.metadata.deletionTimestamp))


def _groups(service: Service, pods: Sequence[Pod], zones: Mapping[str, str]) -> dict[PortSet, dict[str, Endpoint]]:
    """The endpoints by what ports they serve, then by pod uid."""
    groups: dict[PortSet, dict[str, Endpoint]] = {}
    for pod in sorted(pods, key=lambda p: p.metadata.name):
        address = ipv4_of(pod)
        if address and has_endpoint(pod):
            endpoint = _endpoint(service, pod, address, zones)
            groups.setdefault(ports_of(service, pod), {})[pod.metadata.uid] = endpoint
    return groups


def _endpoint(service: Service, pod: Pod, address: str, zones: Mapping[str, str]) -> Endpoint:
    terminating = bool(pod.metadata.deletionTimestamp)
    serving = is_ready(pod)
    return Endpoint(
        addresses=[address],
        conditions=EndpointConditions(
            ready=service.spec.publishNotReadyAddresses or (serving and not terminating),
            serving=serving,
            terminating=terminating,
        ),
        hostname=hostname_of(pod, service) or None,
        nodeName=pod.spec.nodeName or None,
        zone=zones.get(pod.spec.nodeName) or None,
        targetRef=ObjectReference(
            kind="Pod", namespace=pod.metadata.namespace, name=pod.metadata.name, uid=pod.metadata.uid
        ),
    )


def _slice(service: Service, ports: PortSet, endpoints: Sequence[Endpoint], now: Instant) -> EndpointSlice:
    return EndpointSlice(
        kind=ENDPOINT_SLICE.kind,
        apiVersion=ENDPOINT_SLICE.api_version,
        metadata=ObjectMeta(
            generateName=f"{service.metadata.name}-",
            namespace=service.metadata.namespace,
            labels=_labels(service),
            annotations={TRIGGER_TIME: render_micro_time(now)},
            ownerReferences=[controller_reference(SERVICE.api_version, SERVICE.kind, service.metadata)],
        ),
        addressType="IPv4",
        endpoints=list(endpoints),
        ports=[
            EndpointPort(name=p.name, port=p.number, protocol=p.protocol, appProtocol=p.app_protocol or None)
            for p in ports
        ],
    )


def _labels(service: Service) -> dict[str, str]:
    labels = {key: value for key, value in service.metadata.labels.items() if key not in _RESERVED}
    labels |= {SERVICE_NAME: service.metadata.name, MANAGED_BY: MANAGER}
    return labels | {HEADLESS: ""} if is_headless(service) else labels


def _update(old: EndpointSlice, wanted: EndpointSlice) -> tuple[Update, ...]:
    """The write that makes `old` what is wanted, if one is needed. The trigger time alone needs none."""
    same = (
        old.endpoints == wanted.endpoints
        and old.ports == wanted.ports
        and old.metadata.labels == wanted.metadata.labels
        and old.metadata.ownerReferences == wanted.metadata.ownerReferences
    )
    if same:
        return ()
    meta = msgspec.structs.replace(
        old.metadata,
        labels=wanted.metadata.labels,
        annotations=old.metadata.annotations | wanted.metadata.annotations,
        ownerReferences=wanted.metadata.ownerReferences,
    )
    new = msgspec.structs.replace(old, metadata=meta, endpoints=wanted.endpoints, ports=wanted.ports)
    return (Update(ENDPOINT_SLICE, new),)


def _ports_of_slice(s: EndpointSlice) -> PortSet:
    return tuple(sorted(Port(p.name or "", p.protocol or "TCP", p.port or 0, p.appProtocol or "") for p in s.ports))
