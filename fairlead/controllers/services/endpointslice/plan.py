"""Decides the EndpointSlices of one Service, for each address family separately.

- A pod is in exactly one slice of a family; a change of one pod changes one slice.
- Existing slices keep their endpoints and are filled before new ones are created; at most 100 endpoints each. A slice
  that becomes empty is reused for other ports before it is deleted: one write instead of two.
- Slices of other managers are left alone; those of an earlier Service of the same name are deleted. Without pods, an
  empty slice for each family shows that the Service was processed.
- A pod on a deleted node gets an endpoint only if the Service publishes addresses that are not ready: a pod that
  outlived its node must not keep traffic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.predicates import is_ready
from fairlead.api.core.service.kind import SERVICE, Service
from fairlead.api.core.service.predicates import is_headless
from fairlead.api.discovery.endpointslice.kind import (
    ENDPOINT_SLICE,
    Endpoint,
    EndpointConditions,
    EndpointPort,
    EndpointSlice,
)
from fairlead.api.meta.reference import ObjectReference
from fairlead.api.meta.types import ObjectMeta, OwnerReference
from fairlead.base.dataclass import dataclass, field
from fairlead.base.instant import Instant, render_micro_time
from fairlead.base.keys import key_of
from fairlead.controllers.ownership import controller_reference
from fairlead.controllers.services.endpointslice.hints import distributed, hint_by_shares, is_automatic
from fairlead.controllers.services.endpointslice.packing import pack
from fairlead.runtime.plan import Create, Delete, EventRecord, Plan, Update
from fairlead.service.families import address_of, families_of
from fairlead.service.members import has_endpoint, hostname_of, selects_pods
from fairlead.service.ports import Port, pod_ports
from fairlead.service.wellknown import HEADLESS_LABEL, MANAGED_BY_LABEL, SERVICE_NAME_LABEL, TRIGGER_TIME_ANNOTATION

MANAGER = "endpointslice-controller.k8s.io"
_RESERVED = (SERVICE_NAME_LABEL, MANAGED_BY_LABEL, HEADLESS_LABEL)

PortSet = tuple[Port, ...]
"""Sorted, because the ports of a slice are an unordered set."""


def reconcile(
    service: Service,
    pods: Sequence[Pod],
    slices: Sequence[EndpointSlice],
    zones: Mapping[str, str],
    *,
    now: Instant,
    shares: Mapping[str, float],
) -> Plan:
    """Returns the plan for the Service. `pods` are those that the selector matches; `slices` those labelled with the
    Service and this manager. `zones` has the zone of every node by name, empty for none; `shares` the part of the CPUs
    that each zone has. `now` is the time of the change that caused this reconcile."""
    existing = sorted((s for s in slices if not s.metadata.deletionTimestamp), key=lambda s: s.metadata.name)
    if not selects_pods(service):
        return withdraw(existing)
    maker = _Maker(service, zones, shares, now)
    plans = _FamilyPlans()
    for family in families_of(service):
        own = [s for s in existing if s.addressType == family and _is_owned(s, service)]
        _reconcile_family(maker, family, pods, own, plans)
    written = {s.metadata.name for s in plans.known}
    foreign = [s for s in existing if s.metadata.name not in written]
    return Plan(
        create=() if service.metadata.deletionTimestamp else tuple(plans.create),
        update=tuple(plans.update),
        delete=tuple(Delete(ENDPOINT_SLICE, s) for s in (*foreign, *plans.surplus)),
    )


def withdraw(slices: Sequence[EndpointSlice]) -> Plan:
    """Returns the plan to delete the slices of a Service that was deleted or lost its selector."""
    return Plan(delete=tuple(Delete(ENDPOINT_SLICE, s) for s in slices if not s.metadata.deletionTimestamp))


@dataclass(slots=True)
class _FamilyPlans:
    """The combined plans of the address families."""

    create: list[Create] = field(default_factory=list)
    update: list[Update] = field(default_factory=list)
    surplus: list[EndpointSlice] = field(default_factory=list)
    known: list[EndpointSlice] = field(default_factory=list)


def _reconcile_family(
    maker: _Maker, family: str, pods: Sequence[Pod], own: Sequence[EndpointSlice], plans: _FamilyPlans
) -> None:
    groups = maker.groups(pods, family)
    by_ports: dict[PortSet, list[EndpointSlice]] = {ports: [] for ports in groups}
    for s in own:
        by_ports.setdefault(ports_of_slice(s), []).append(s)
    contents: list[tuple[EndpointSlice, PortSet, tuple[Endpoint, ...]]] = []
    unplaced: list[tuple[PortSet, tuple[Endpoint, ...]]] = []
    spare: list[EndpointSlice] = []
    for ports in sorted(by_ports):
        packed = pack(groups.get(ports, {}), by_ports[ports])
        contents += [(s, ports, endpoints) for s, endpoints in packed.kept]
        unplaced += [(ports, endpoints) for endpoints in packed.new]
        spare += packed.empty
    if not contents and not unplaced:
        unplaced.append(((), ()))
    contents += [(s, *place) for s, place in zip(spare, unplaced, strict=False)]
    plans.create += [maker.create(family, ports, endpoints) for ports, endpoints in unplaced[len(spare) :]]
    plans.update += [u for s, ports, endpoints in contents for u in maker.update(s, ports, endpoints)]
    plans.surplus += spare[len(unplaced) :]
    plans.known += own


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes endpoints and slices of one Service."""

    service: Service
    zones: Mapping[str, str]
    shares: Mapping[str, float]
    now: Instant

    def groups(self, pods: Sequence[Pod], family: str) -> dict[PortSet, dict[str, Endpoint]]:
        """Returns the endpoints by the ports that they serve, then by pod uid."""
        groups: dict[PortSet, dict[str, Endpoint]] = {}
        for pod in sorted(pods, key=lambda p: p.metadata.name):
            address = address_of(pod, family)
            if address and has_endpoint(pod) and self._has_node(pod):
                ports = pod_ports(self.service, pod)
                groups.setdefault(ports, {})[pod.metadata.uid] = self._endpoint(pod, address)
        if is_automatic(self.service):
            hint_by_shares([e for group in groups.values() for e in group.values()], self.shares)
        return groups

    def _has_node(self, pod: Pod) -> bool:
        return self.service.spec.publishNotReadyAddresses or pod.spec.nodeName in self.zones

    def _endpoint(self, pod: Pod, address: str) -> Endpoint:
        service = self.service
        terminating = bool(pod.metadata.deletionTimestamp)
        serving = is_ready(pod)
        endpoint = Endpoint(
            addresses=[address],
            conditions=EndpointConditions(
                ready=service.spec.publishNotReadyAddresses or (serving and not terminating),
                serving=serving,
                terminating=terminating,
            ),
            hostname=hostname_of(pod, service) or None,
            nodeName=pod.spec.nodeName or None,
            zone=self.zones.get(pod.spec.nodeName) or None,
            targetRef=ObjectReference(
                kind="Pod", namespace=pod.metadata.namespace, name=pod.metadata.name, uid=pod.metadata.uid
            ),
        )
        if not is_automatic(service):
            endpoint.hints = distributed(service.spec.trafficDistribution, endpoint)
        return endpoint

    def create(self, family: str, ports: PortSet, endpoints: Sequence[Endpoint]) -> Create:
        meta = self.service.metadata
        made = EndpointSlice(
            kind=ENDPOINT_SLICE.kind,
            apiVersion=ENDPOINT_SLICE.api_version,
            metadata=ObjectMeta(
                generateName=f"{meta.name}-",
                namespace=meta.namespace,
                labels=_labels(self.service),
                annotations={TRIGGER_TIME_ANNOTATION: render_micro_time(self.now)},
                ownerReferences=[controller_reference(SERVICE.api_version, SERVICE.kind, meta)],
            ),
            addressType=family,
            endpoints=list(endpoints),
            ports=self._ports(ports),
        )
        return Create(ENDPOINT_SLICE, made, failed=self._failed("failed to create EndpointSlice"))

    def update(self, old: EndpointSlice, ports: PortSet, endpoints: Sequence[Endpoint]) -> tuple[Update, ...]:
        """Returns the write that brings `old` into the desired state, if one is needed. A new trigger time alone needs
        none."""
        labels, owners = _labels(self.service), [self._owner()]
        same_ports = ports_of_slice(old) == ports
        same_meta = old.metadata.labels == labels and old.metadata.ownerReferences == owners
        if same_ports and same_meta and old.endpoints == list(endpoints):
            return ()
        annotations = old.metadata.annotations | {TRIGGER_TIME_ANNOTATION: render_micro_time(self.now)}
        meta = msgspec.structs.replace(old.metadata, labels=labels, annotations=annotations, ownerReferences=owners)
        new_ports = old.ports if same_ports else self._ports(ports)
        new = msgspec.structs.replace(old, metadata=meta, endpoints=list(endpoints), ports=new_ports)
        failed = self._failed(f"failed to update {old.metadata.name} EndpointSlice")
        return (Update(ENDPOINT_SLICE, new, failed=failed),)

    def _owner(self) -> OwnerReference:
        return controller_reference(SERVICE.api_version, SERVICE.kind, self.service.metadata)

    def _ports(self, ports: PortSet) -> list[EndpointPort]:
        """Returns the ports in the Service's order, in which users know them."""
        order = {(p.name, p.protocol or "TCP"): at for at, p in enumerate(self.service.spec.ports)}
        return [
            EndpointPort(name=p.name, port=p.number, protocol=p.protocol, appProtocol=p.app_protocol or None)
            for p in sorted(ports, key=lambda p: order.get((p.name, p.protocol), 0))
        ]

    def _failed(self, what: str) -> EventRecord:
        service = key_of(self.service.metadata)
        text = f"Error updating Endpoint Slices for Service {service}: {what} for Service {service}: {{error}}"
        return EventRecord(self.service, "FailedToUpdateEndpointSlices", text, "Warning")


def ports_of_slice(s: EndpointSlice) -> PortSet:
    return tuple(sorted(Port(p.name or "", p.protocol or "TCP", p.port or 0, p.appProtocol or "") for p in s.ports))


def _is_owned(s: EndpointSlice, service: Service) -> bool:
    return any(ref.kind == SERVICE.kind and ref.uid == service.metadata.uid for ref in s.metadata.ownerReferences)


def _labels(service: Service) -> dict[str, str]:
    labels = {key: value for key, value in service.metadata.labels.items() if key not in _RESERVED}
    labels |= {SERVICE_NAME_LABEL: service.metadata.name, MANAGED_BY_LABEL: MANAGER}
    return labels | {HEADLESS_LABEL: ""} if is_headless(service.spec) else labels
