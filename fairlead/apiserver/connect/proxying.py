"""Finds the backend of a request below `services/.../proxy`, `pods/.../proxy` or `nodes/.../proxy`.

A Service is proxied to one of its ready endpoints, chosen at random for each request, and not to its cluster IP: this
works for headless Services too, and is upstream's behaviour. Addresses that belong to this machine rather than to the
cluster (loopback, link-local, multicast) are refused, even if a slice or a status names them.
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Iterator

from fairlead.api.core.node.kind import NODE, Node
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.core.service.kind import SERVICE, Service
from fairlead.api.discovery.endpointslice.kind import ENDPOINT_SLICE, EndpointSlice
from fairlead.apiserver.model import Forward
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.apiserver.watchcache.target import Target
from fairlead.base.addresses import is_own, unmapped
from fairlead.base.numbers import natural, port_number
from fairlead.machinery.values.status import StatusError, bad_request
from fairlead.service.endpoints import ready_addresses
from fairlead.service.wellknown import SERVICE_NAME_LABEL

_KUBELET_PORT = 10250


class Proxies:
    """Finds the backends of proxied requests. Each subresource `proxy` is given the method for its kind."""

    def __init__(self, resources: Resources, *, rng: random.Random) -> None:
        self._pods = resources.of(POD)
        self._nodes = resources.of(NODE)
        self._services = resources.of(SERVICE)
        self._slices = resources.of(ENDPOINT_SLICE)
        self._rng = rng

    def of_service(self, target: Target) -> Forward:
        """Returns a ready endpoint of a Service. Raises StatusError 400, 404, 503."""
        scheme, name, port = split(target.name, "service")
        service: Service = self._services.find(target.namespace, name).decode()
        if (number := natural(port)) is not None:
            service_port = next((p for p in service.spec.ports if p.port == number), None)
            if service_port is None:
                raise unavailable(f'no service port {port} found for service "{name}"')
            port = service_port.name
        choices = list(self._endpoints(target.namespace, name, port))
        if not choices:
            raise unavailable(f'no endpoints available for service "{target.name}"')
        return _forward(scheme, *self._rng.choice(choices))

    def _endpoints(self, namespace: str, name: str, port: str) -> Iterator[tuple[str, int]]:
        """Returns the ready addresses with the port of this name."""
        mark = f'"{SERVICE_NAME_LABEL}":"{name}"'.encode()  # avoids decoding the slices of all other Services
        for entry in self._slices.cache.select(namespace):
            if mark not in entry.raw or entry.labels.get(SERVICE_NAME_LABEL) != name:
                continue
            piece: EndpointSlice = entry.decode()
            yield from ready_addresses(port, [piece])

    def of_pod(self, target: Target) -> Forward:
        """Returns a port of a Pod. Raises StatusError 400, 404."""
        scheme, name, port = split(target.name, "pod")
        pod: Pod = self._pods.find(target.namespace, name).decode()
        number = _port_number(port)
        if not port:
            declared = (p.containerPort for c in pod.spec.containers for p in c.ports[:1])
            number = next(declared, 443 if scheme == "https" else 80)
        return _forward(scheme, pod.status.podIP, number)

    def of_node(self, target: Target) -> Forward:
        """Returns a port of a node. Raises StatusError 400, 404."""
        scheme, name, port = split(target.name, "node")
        node: Node = self._nodes.find("", name).decode()
        address = next((a.address for a in node.status.addresses if a.type == "InternalIP"), "")
        kubelet = node.status.daemonEndpoints.kubeletEndpoint.Port or _KUBELET_PORT
        if not port or port == str(kubelet):
            return _forward("https", address, kubelet, is_node=True)
        return _forward(scheme, address, _port_number(port))


def split(text: str, what: str) -> tuple[str, str, str]:
    """Splits `name`, `name:port` or `scheme:name:port` into scheme, name and port. Raises StatusError 400."""
    scheme, port = "http", ""
    match text.split(":"):
        case [name]:
            pass
        case [name, port]:
            pass
        case ["http" | "https" | "" as given, name, port]:
            scheme = given or "http"
        case _:
            name = ""
    if not name:
        raise bad_request(f'invalid {what} request "{text}"')
    return scheme, name, port


def unavailable(why: str) -> StatusError:
    return StatusError(503, "ServiceUnavailable", why)


def _forward(scheme: str, host: str, port: int, *, is_node: bool = False) -> Forward:
    if is_own(host):
        raise bad_request("address not allowed")
    return Forward(scheme, str(unmapped(ipaddress.ip_address(host))), port, is_node)


def _port_number(text: str) -> int:
    if not text:
        return 0
    port = port_number(text)
    if port is None:
        raise bad_request(f'invalid port "{text}"')
    return port
