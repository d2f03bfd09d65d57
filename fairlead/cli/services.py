"""The URLs at which the user's machine reaches the Services of a cluster, computed from the API's trees.

The relay writes the URLs of a Service on the host into an annotation, one entry for each port. The slices tell if a
port has endpoints. If the host has routes into the cluster (`routed`), the host reaches a Service at the Service's
address, and it also reaches Services that have only a cluster IP.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any

from fairlead.api import schemes
from fairlead.api.core.service.predicates import (
    is_cluster_ip,
    is_load_balancer,
    is_node_port,
    may_have_node_ports,
    typed,
)
from fairlead.base.dataclass import dataclass, replace
from fairlead.service.decisions import DEFAULT_PROTOCOL, EndpointState, endpoint_state, port_id
from fairlead.service.wellknown import HOST_URLS_ANNOTATION, SERVICE_NAME_LABEL

Tree = dict[str, Any]
Networks = Sequence[IPv4Network | IPv6Network]
"""Networks to which the host has routes."""


class NotFound(Exception):
    """A port that the Service does not have. The text names the ports that it has."""


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """One port of a Service, as the host reaches it."""

    namespace: str
    name: str
    type: str
    port: str
    """Number and protocol, such as `80/TCP`."""
    port_name: str
    address: str
    """Address and port inside the cluster."""
    url: str
    """Empty if the host does not reach the port; then `trouble` has the reason."""
    trouble: str = ""
    hint: str = ""
    """The command that shows more about the trouble."""


NOT_SERVED = "no Pod is ready"


def explain(port: PublishedPort, service: Tree, pods: Iterable[Tree]) -> PublishedPort:
    """Returns the port with the reason why no endpoint serves it. `pods`: those that the Service selects."""
    selector = ",".join(f"{key}={value}" for key, value in service["spec"].get("selector", {}).items())
    if not selector:
        slices = f"kubectl get endpointslices -n {port.namespace} -l {SERVICE_NAME_LABEL}={port.name}"
        return replace(port, trouble="the Service selects no Pods, and no EndpointSlice serves it", hint=slices)
    if not list(pods):
        hint = f"kubectl get pods -n {port.namespace} --show-labels"
        return replace(port, trouble=f"no Pod matches the selector {selector}", hint=hint)
    return replace(port, hint=f"kubectl get pods -n {port.namespace} -l {selector}")


def published_ports(services: Iterable[Tree], slices: Iterable[Tree], *, routed: Networks = ()) -> list[PublishedPort]:
    """Returns the ports of every published Service, in order of namespace and name."""
    of_service = _by_service(slices)
    ports = []
    for service in sorted(services, key=lambda s: (s["metadata"]["namespace"], s["metadata"]["name"])):
        if is_published(service, routed=routed):
            meta = service["metadata"]
            ports += _ports_of(service, of_service.get((meta["namespace"], meta["name"]), ()), routed=routed)
    return ports


def is_published(service: Tree, *, routed: Networks) -> bool:
    spec = service["spec"]
    of_type = typed(spec)
    return may_have_node_ports(of_type) or (is_cluster_ip(of_type) and _is_routed(spec.get("clusterIP", ""), routed))


def choose(service: Tree, slices: Iterable[Tree], port: str, *, routed: Networks = ()) -> PublishedPort:
    """Returns the port with this number or name; if `port` is empty, the first HTTP port, or else the first port.

    Raises NotFound if the Service has no such port.
    """
    candidates = published_ports([service], slices, routed=routed)
    if port:
        candidates = [one for one in candidates if port in (one.port_name, one.port, one.port.partition("/")[0])]
        if not candidates:
            ports = ", ".join(str(p["port"]) + (f" ({p['name']})" if p.get("name") else "") for p in _ports(service))
            raise NotFound(f'service "{service["metadata"]["name"]}" has no port {port}: it has {ports}')
    if not candidates:
        raise NotFound(f'service "{service["metadata"]["name"]}" has no ports')
    return min(candidates, key=lambda one: not one.url.startswith("http"))


def browsable(url: str) -> str:
    """Returns the URL for a browser: `tcp` becomes `http`, because the protocol over plain TCP is unknown."""
    return "http" + url.removeprefix("tcp") if url.startswith("tcp://") else url


def rows(ports: Iterable[PublishedPort]) -> list[list[str]]:
    return [[d.namespace, d.name, d.type, d.port, d.address or "-", d.url or f"({d.trouble})"] for d in ports]


def notes(ports: Iterable[PublishedPort]) -> list[str]:
    """Returns a line for each Service with a trouble that a command explains."""
    lines = (f"{one.namespace}/{one.name}: {one.trouble}: {one.hint}" for one in ports if one.trouble and one.hint)
    return list(dict.fromkeys(lines))


COLUMNS = ["NAMESPACE", "NAME", "TYPE", "PORT", "ADDRESS", "URL"]


def _ports_of(service: Tree, slices: Sequence[Tree], *, routed: Networks) -> list[PublishedPort]:
    meta, spec = service["metadata"], service["spec"]
    urls = _urls(meta.get("annotations", {}).get(HOST_URLS_ANNOTATION, ""))
    address = _address(service)
    ports = []
    for port in _ports(service):
        key = f"{port['port']}/{port.get('protocol', DEFAULT_PROTOCOL)}"
        url = urls.get(key, "")
        if not is_node_port(typed(spec)) and _is_routed(address, routed):
            url = _own_url(port, address)
        trouble, hint = _trouble(service, key, serves=_is_served(port, slices), address=address, noted=bool(url))
        ports.append(
            PublishedPort(
                namespace=meta["namespace"],
                name=meta["name"],
                type=spec["type"],
                port=key,
                port_name=port.get("name", ""),
                address=address and f"{f'[{address}]' if ':' in address else address}:{port['port']}",
                url="" if trouble else url,
                trouble=trouble,
                hint=hint,
            )
        )
    return ports


def _trouble(service: Tree, key: str, *, serves: bool, address: str, noted: bool) -> tuple[str, str]:
    """Returns the reason why the host does not reach the port, and a command; both empty if the host reaches it."""
    describe = f"kubectl describe svc {service['metadata']['name']} -n {service['metadata']['namespace']}"
    if is_load_balancer(typed(service["spec"])) and not address:
        return "no address yet", describe
    if not serves:
        return NOT_SERVED, ""
    if key.endswith("/SCTP") and not noted:
        return "SCTP is not forwarded to the host", ""
    return ("", "") if noted else ("not (yet) open on the host", describe)


def _address(service: Tree) -> str:
    if is_load_balancer(typed(service["spec"])):
        points = service.get("status", {}).get("loadBalancer", {}).get("ingress", [])
        return next((p.get("ip") or p.get("hostname", "") for p in points), "")
    return str(service["spec"].get("clusterIP", ""))


def _is_routed(address: str, routed: Networks) -> bool:
    try:
        return any(ip_address(address) in network for network in routed)
    except ValueError:  # empty, or a host name
        return False


def _own_url(port: Tree, address: str) -> str:
    protocol = port.get("protocol", DEFAULT_PROTOCOL)
    if protocol == "SCTP":
        return schemes.url("sctp", address, port["port"])
    spoken, name = port.get("appProtocol", ""), port.get("name", "")
    scheme = schemes.scheme_of(port["port"], protocol=protocol, name=name, app_protocol=spoken)
    return schemes.url(scheme, address, port["port"])


def _ports(service: Tree) -> list[Tree]:
    ports: list[Tree] = service["spec"].get("ports", [])
    return ports


def _urls(text: str) -> Mapping[str, str]:
    return {port: url for port, _, url in (entry.partition("=") for entry in text.split(",")) if url}


def _by_service(slices: Iterable[Tree]) -> Mapping[tuple[str, str], list[Tree]]:
    groups: dict[tuple[str, str], list[Tree]] = {}
    for piece in slices:
        meta = piece["metadata"]
        if name := meta.get("labels", {}).get(SERVICE_NAME_LABEL):
            groups.setdefault((meta["namespace"], name), []).append(piece)
    return groups


def _is_served(port: Tree, slices: Iterable[Tree]) -> bool:
    """Returns whether connections to the Service's port reach an endpoint of either family."""
    id_ = port_id(port.get("name"), port.get("protocol"))
    return any(
        _state(endpoint.get("conditions", {})) is not EndpointState.NOT_SERVING
        for piece in slices
        if piece.get("addressType") != "FQDN"
        if any(p.get("port") and port_id(p.get("name"), p.get("protocol")) == id_ for p in piece.get("ports") or ())
        for endpoint in piece.get("endpoints") or ()
    )


def _state(conditions: Tree) -> EndpointState:
    return endpoint_state(conditions.get("ready"), conditions.get("serving"), conditions.get("terminating"))
