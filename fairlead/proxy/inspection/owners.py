"""Finds the Service, port, slice and Pod that a rule comes from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from fairlead.api.core.pod.types import Pod
from fairlead.api.core.service.kind import Service, ServicePort
from fairlead.api.discovery.endpointslice.kind import EndpointSlice
from fairlead.base.keys import key_of
from fairlead.net.family import IPV4, IPV6
from fairlead.proxy.inspection.planned import Services, Slices
from fairlead.proxy.iptables.rules import chain_name
from fairlead.service.endpoints import canonical
from fairlead.service.frontends import frontends, has_frontends, load_balancer_vips
from fairlead.service.members import service_of
from fairlead.service.ports import slice_ports


class Owner(NamedTuple):
    """The objects that a rule comes from; empty fields do not apply."""

    service: str = ""
    """`namespace/name`, as the next fields."""
    port: str = ""
    """Name or number of the Service's port."""
    slice: str = ""
    pod: str = ""
    node: str = ""
    """The node of the endpoint."""
    kind: str = ""
    """The kind of address: `cluster IP`, `external IP`, `load balancer IP` or `node port`."""
    address: str = ""
    """The endpoint's address and port, or the frontend's address."""


UNOWNED = Owner()

Frontend = tuple[str, str, int]
"""Protocol, address (empty for a node port) and port."""


class Owners:
    """The index. `pods` have addresses."""

    def __init__(self, services: Services, slices: Slices, pods: Iterable[Pod] = ()) -> None:
        self._pods: dict[str, Pod] = {}
        for pod in pods:
            if not pod.spec.hostNetwork:
                self._pods |= {ip.ip: pod for ip in pod.status.podIPs}
        self._frontends: dict[Frontend, Owner] = {}
        self._sources = services, slices
        self._balanced: dict[str, str] = {}
        self._endpoints: dict[tuple[str, str], Owner] = {}
        self._services: dict[str, str] = {}
        for key, service in services.items():
            self._add_endpoints(key, slices.get(key, ()))
            if has_frontends(service):
                self._add(key, service)

    def frontend(self, protocol: str, ip: str, port: int) -> Owner:
        """Returns the Service that answers there; `UNOWNED` without one."""
        return self._frontends.get((protocol, ip, port), UNOWNED)

    def endpoint(self, service: str, ip: str, port: int = 0) -> Owner:
        """Returns the endpoint of a Service at an address."""
        known = self._endpoints.get((service, ip), UNOWNED)
        pod = self._pods.get(ip)
        address = f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
        return known._replace(
            service=service,
            pod=known.pod or (key_of(pod.metadata) if pod else ""),
            node=known.node or (pod.spec.nodeName or "" if pod else ""),
            address=address if port else ip,
        )

    def any_endpoint(self, ip: str) -> Owner:
        """Returns the endpoint at an address, of whichever Service."""
        return self.endpoint(self._services.get(ip, ""), ip)

    def pod(self, ip: str) -> Pod | None:
        """Returns the Pod with the address, unless it shares its node's addresses."""
        return self._pods.get(ip)

    def balanced(self, ip: str) -> str:
        """Returns a Service with the load balancer's address."""
        return self._balanced.get(ip, "")

    def chain(self, name: str) -> tuple[str, Owner]:
        """Returns the kind (`SVC`, `SVL`, `EXT`, `FW`, `SEP`) and the owner of a chain of iptables."""
        return self._chains.get(name, ("", UNOWNED))

    @cached_property
    def _chains(self) -> dict[str, tuple[str, Owner]]:
        """Chains of iptables by name. Made at the first use: the mode nftables does not need the hashes."""
        services, slices = self._sources
        named = (
            pair
            for key, service in services.items()
            if has_frontends(service)
            for port in service.spec.ports
            for pair in self._named(key, port, slices.get(key, ()))
        )
        return dict(named)

    def _add(self, key: str, service: Service) -> None:
        for port in service.spec.ports:
            name = port.name or str(port.port)
            for family in (IPV4, IPV6):
                for frontend in frontends(service, port, family=family):
                    kind = "cluster IP" if not frontend.external else "node port" if not frontend.ip else "external IP"
                    kind = "load balancer IP" if frontend.restricted else kind
                    owner = Owner(key, name, kind=kind, address=frontend.ip)
                    self._frontends.setdefault((frontend.protocol, frontend.ip, frontend.port), owner)
        for ip in load_balancer_vips(service):
            self._balanced[ip] = key

    def _named(
        self, key: str, port: ServicePort, slices: Sequence[EndpointSlice]
    ) -> Iterator[tuple[str, tuple[str, Owner]]]:
        """Yields the name of each chain of a port, with its kind and owner."""
        full, name = f"{key}{f':{port.name}' if port.name else ''}", port.name or str(port.port)
        protocol = (port.protocol or "TCP").lower()
        for kind in ("SVC", "SVL", "EXT", "FW"):
            yield chain_name(kind, full, protocol), (kind, Owner(key, name))
        for piece in slices:
            for number in slice_ports(port, piece):
                for ip in (ip for endpoint in piece.endpoints for ip in endpoint.addresses[:1]):
                    plain = canonical(ip, IPV6 if ":" in ip else IPV4)
                    owner = self.endpoint(key, plain, number)
                    yield chain_name("SEP", full, protocol, owner.address), ("SEP", owner._replace(port=name))

    def _add_endpoints(self, key: str, slices: Sequence[EndpointSlice]) -> None:
        for piece in slices:
            for endpoint in piece.endpoints:
                target = endpoint.targetRef
                pod = f"{target.namespace or piece.metadata.namespace}/{target.name}" if target and target.name else ""
                if target and target.kind != "Pod":
                    pod = ""
                for ip in endpoint.addresses[:1]:
                    plain = canonical(ip, IPV6 if ":" in ip else IPV4)
                    owner = Owner(key, slice=key_of(piece.metadata), pod=pod, node=endpoint.nodeName or "")
                    self._endpoints.setdefault((key, plain), owner)
                    self._services.setdefault(plain, key)


def describe(owner: Owner) -> str:
    """Returns an endpoint in words: `Pod default/web-1 on node1 (10.244.1.3:8080, slice default/web-x)`."""
    what = f"Pod {owner.pod}" if owner.pod else "endpoint"
    where = f" on {owner.node}" if owner.node else ""
    source = f", slice {owner.slice}" if owner.slice else ""
    return f"{what}{where} ({owner.address}{source})" if owner.pod or source else f"{owner.address}{where}"


def by_service(slices: Iterable[EndpointSlice]) -> dict[str, list[EndpointSlice]]:
    """Returns the slices by their Service's `namespace/name`."""
    found: dict[str, list[EndpointSlice]] = {}
    for piece in slices:
        if key := service_of(piece):
            found.setdefault(key, []).append(piece)
    return found
