"""Finds the sender and the destination that a user names: `pod/web-1`, `node/node2`, `host`, an address; `svc/web:80`,
a DNS name, an address and port.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import NamedTuple

from fairlead.api.core.pod.predicates import is_finished
from fairlead.api.core.pod.types import Pod
from fairlead.api.core.service.kind import Service, ServicePort
from fairlead.api.core.service.predicates import is_external_name, is_headless
from fairlead.api.discovery.endpointslice.kind import EndpointSlice
from fairlead.base.dataclass import dataclass
from fairlead.base.keys import join_key, key_of
from fairlead.net.family import IPV4, IPV6, Family
from fairlead.proxy.inspection.walk import Sender, pod_link
from fairlead.proxy.inspection.world import World, family_of
from fairlead.service.decisions import is_ready
from fairlead.service.endpoints import ready_addresses

PROTOCOLS = ("tcp", "udp", "sctp")


class PlaceError(ValueError):
    """A name that stands for nothing, with the cure."""


@dataclass(frozen=True, slots=True)
class Objects:
    """The objects that names are found among, by `namespace/name`."""

    services: Mapping[str, Service]
    slices: Mapping[str, Sequence[EndpointSlice]]
    pods: Mapping[str, Pod]
    domain: str = "cluster.local"


_INVALID = 'invalid destination "{}": expected svc/NAME, pod/NAME, node/NAME, an address or a name'


class Destination(NamedTuple):
    label: str
    addresses: tuple[tuple[str, int], ...]
    """The addresses that the client chooses from, each with the same probability; may be empty."""
    protocol: str
    note: str = ""
    """Remark on the way to the addresses, or the reason why they are missing."""


def find_sender(text: str, objects: Objects, world: World, *, namespace: str, family: Family) -> Sender:
    """Raises PlaceError."""
    kind, slash, name = text.partition("/")
    if text == "host":
        return Sender(_of_family(world.host, family, "the host"))
    if slash and kind in ("pod", "pods", "po"):
        return _pod_sender(_pod(name, objects, namespace), world, family)
    if slash and kind in ("node", "nodes", "no"):
        return _node_sender(name, world, family)
    if not slash and (address := _address(text)):
        return _address_sender(address, world)
    raise PlaceError(f'invalid sender "{text}": expected pod/NAME, node/NAME, host or an address')


def find_destination(
    text: str, objects: Objects, world: World, *, namespace: str, family: Family | None, protocol: str = ""
) -> Destination:
    """Raises PlaceError."""
    kind, slash, rest = text.partition("/")
    if slash and not re.fullmatch(r"[^/:]+(:.*)?", rest):
        raise PlaceError(_INVALID.format(text))
    if slash and kind in ("svc", "service", "services"):
        name, port = _split(rest)
        return _to_service(join_key(namespace, name), port, objects, family, protocol)
    if slash and kind in ("pod", "pods", "po"):
        name, port = _split(rest)
        return _to_pod(_pod(name, objects, namespace), port, family, protocol)
    if slash and kind in ("node", "nodes", "no"):
        name, port = _split(rest)
        sender = _node_sender(name, world, family or _first_family(world))
        return Destination(f"node {name}", ((sender.address, _number(port, text)),), protocol or "tcp")
    if slash:
        raise PlaceError(_INVALID.format(text))
    host, port = _split(text)
    if address := _address(host):
        return Destination(address, ((address, _number(port, text)),), protocol or "tcp")
    return _to_name(host, port, objects, namespace, family, protocol)


def _split(text: str) -> tuple[str, str]:
    """Returns host and port, which may be empty; an IPv6 address with a port is in brackets."""
    if match := re.fullmatch(r"\[(.+)\](?::(\w[\w-]*))?", text):
        return match[1], match[2] or ""
    if text.count(":") > 1:
        return text, ""
    host, _, port = text.partition(":")
    return host, port


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        return ""


def _number(port: str, text: str) -> int:
    if port.isdigit() and 0 < int(port) < 65536:
        return int(port)
    host = _split(text)[0]
    raise PlaceError(f'"{text}" lacks a valid port: write it as {f"[{host}]" if ":" in host else host}:80')


def _pod(name: str, objects: Objects, namespace: str) -> Pod:
    pod = objects.pods.get(join_key(namespace, name))
    if pod is None:
        names = sorted(key for key in objects.pods if key.rpartition("/")[2] == name)
        hint = f": there is one in namespace {names[0].rpartition('/')[0]}" if names else ""
        raise PlaceError(f'no Pod "{name}" in namespace {namespace}{hint}')
    return pod


def _pod_address(pod: Pod, family: Family | None) -> str:
    addresses = [one.ip for one in pod.status.podIPs] or ([pod.status.podIP] if pod.status.podIP else [])
    if is_finished(pod) or not addresses:
        raise PlaceError(f"Pod {key_of(pod.metadata)} has no address: its phase is {pod.status.phase}")
    return _of_family(addresses, family, f"Pod {key_of(pod.metadata)}") if family else addresses[0]


def _of_family(addresses: Sequence[str], family: Family, who: str) -> str:
    for address in addresses:
        if family.has(address):
            return address
    raise PlaceError(f"{who} has no {family.name} address")


def _pod_sender(pod: Pod, world: World, family: Family) -> Sender:
    address = _pod_address(pod, family)
    if pod.spec.hostNetwork:
        return _node_sender(pod.spec.nodeName or "", world, family)
    return Sender(address, pod.spec.nodeName or "", pod_link(pod.metadata.uid))


def _node_sender(name: str, world: World, family: Family) -> Sender:
    node = world.node(name, family)
    if node is None:
        known = sorted({each.name for each in world.nodes})
        raise PlaceError(f'no node "{name}" with {family.name}: the cluster has {", ".join(known)}')
    return Sender(str(node.view.ip), name)


def _address_sender(address: str, world: World) -> Sender:
    pod = world.owners.pod(address)
    if pod is not None:
        return _pod_sender(pod, world, family_of(address))
    for node in world.nodes:
        if address in (*node.view.addresses, str(node.view.ip)):
            return Sender(address, node.name)
    return Sender(address)


def _first_family(world: World) -> Family:
    return world.nodes[0].view.family if world.nodes else IPV4


def _to_pod(pod: Pod, port: str, family: Family | None, protocol: str) -> Destination:
    declared = [p for container in pod.spec.containers for p in container.ports]
    chosen = next((p for p in declared if port in (p.name, str(p.containerPort), "")), None)
    if not port.isdigit() and chosen is None:
        raise PlaceError(f"Pod {key_of(pod.metadata)} declares no port {port or 'at all'}: write pod/NAME:PORT")
    number = chosen.containerPort if chosen is not None else int(port)
    known = (chosen.protocol or "TCP").lower() if chosen is not None else "tcp"
    return Destination(f"Pod {key_of(pod.metadata)}", ((_pod_address(pod, family), number),), protocol or known)


def _to_service(key: str, port: str, objects: Objects, family: Family | None, protocol: str) -> Destination:
    service = objects.services.get(key)
    if service is None:
        name, namespace = key.rpartition("/")[2], key.rpartition("/")[0]
        elsewhere = sorted(k.rpartition("/")[0] for k in objects.services if k.rpartition("/")[2] == name)
        hint = f": there is one in namespace {elsewhere[0]}" if elsewhere else ""
        raise PlaceError(f'no Service "{name}" in namespace {namespace}{hint}')
    label, spec = f"Service {key}", service.spec
    if is_external_name(spec):
        note = f"is an alias for {spec.externalName}: DNS answers with that name, and no rule of the proxy is met"
        return Destination(label, (), protocol or "tcp", note)
    if is_headless(spec) and not spec.ports:
        every = _headless(service, None, objects, family)
        number = _number(port, f"svc/{key}")
        note = "" if every else "DNS answers with no address: no endpoint is ready"
        return Destination(label, tuple((ip, number) for ip, _ in every), protocol or "tcp", note)
    found = _service_port(key, service, port, protocol)
    spoken = (found.protocol or "TCP").lower()
    if is_headless(spec):
        ends = _headless(service, found, objects, family)
        number = int(port) if port.isdigit() else found.port
        note = (
            "DNS answers with the endpoints' addresses" if ends else "DNS answers with no address: no endpoint is ready"
        )
        return Destination(label, tuple((ip, number) for ip, _ in ends), spoken, note)
    ips = [ip for ip in spec.clusterIPs or [spec.clusterIP] if family is None or family.has(ip)]
    if not ips:
        raise PlaceError(f"{label} has no {family.name if family else ''} cluster IP")
    return Destination(label, ((_canonical(ips[0]), found.port),), spoken)


def _canonical(ip: str) -> str:
    return str(ip_address(ip))


def _headless(
    service: Service, port: ServicePort | None, objects: Objects, family: Family | None
) -> list[tuple[str, int]]:
    slices = objects.slices.get(key_of(service.metadata), ())
    if port is None:
        ends = {
            (ip, 0)
            for piece in slices
            for e in piece.endpoints
            if is_ready(e.conditions.ready)
            for ip in e.addresses[:1]
        }
    else:
        ends = set(ready_addresses(port.name, slices))
    return sorted((_canonical(ip), number) for ip, number in ends if family is None or family.has(ip))


def _service_port(key: str, service: Service, port: str, protocol: str) -> ServicePort:
    ports = [p for p in service.spec.ports if not protocol or (p.protocol or "TCP").lower() == protocol]
    chosen = [p for p in ports if port in ("", p.name, str(p.port))]
    if len(chosen) == 1:
        return chosen[0]
    offered = ", ".join(f"{p.name or p.port} ({p.port}/{p.protocol or 'TCP'})" for p in service.spec.ports)
    if not chosen and port.isdigit() and not is_headless(service.spec):
        # The rules have an answer to such a packet too.
        return ServicePort(port=int(port), protocol=(protocol or "tcp").upper())
    if not chosen and port.isdigit() and ports:
        return ports[0]
    if chosen and len({p.port for p in chosen}) == 1:
        raise PlaceError(f"Service {key} has port {chosen[0].port} in several protocols: add --protocol")
    raise PlaceError(f"Service {key} has these ports: {offered or 'none'}; write svc/NAME:PORT")


def _to_name(
    name: str, port: str, objects: Objects, namespace: str, family: Family | None, protocol: str
) -> Destination:
    """Returns the destination of a DNS name of the cluster, by the search path of a Pod in the namespace."""
    labels = name.rstrip(".").removesuffix(f".{objects.domain}").removesuffix(".svc").split(".")
    for key in [join_key(namespace, labels[0])] if len(labels) == 1 else [join_key(labels[-1], labels[-2])]:
        if key in objects.services:
            found = _to_service(key, port, objects, family, protocol)
            found = found._replace(label=f"{name} (Service {key})")
            return _one_pod(found, labels[0], objects, key) if len(labels) > 2 else found
    raise PlaceError(f'no Service answers to the name "{name}" in namespace {namespace}; write svc/NAME or an address')


def _one_pod(found: Destination, hostname: str, objects: Objects, key: str) -> Destination:
    """Returns the destination of a name of one endpoint, such as `web-0.web.default.svc`."""
    ips = {
        _canonical(ip)
        for piece in objects.slices.get(key, ())
        for endpoint in piece.endpoints
        for ip in endpoint.addresses[:1]
        if endpoint.hostname == hostname
    }
    addresses = tuple(pair for pair in found.addresses if pair[0] in ips)
    return found._replace(addresses=addresses, note=found.note if addresses else f"no endpoint is named {hostname}")


def family_for(text: str) -> Family | None:
    """Returns the family that a destination has by its form; None without an address."""
    host = _address(_split(text)[0])
    return (IPV6 if ":" in host else IPV4) if host else None
