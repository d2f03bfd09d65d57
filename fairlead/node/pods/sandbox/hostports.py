"""Host ports of the node: reserves them for pods and writes their rules to the kernel.

A pod reserves its ports before it has an address, so that of two pods bound to the node by hand one is refused, as the
kubelet refuses it. The scheduler does not place a pod on a node whose ports are taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_address

from fairlead.api.core.pod.hostports import HostPort, conflicts, host_ports, long_running_ports
from fairlead.api.core.pod.kind import Pod
from fairlead.net.hostports.plan import PortMapping
from fairlead.net.hostports.run import HostPortRules


class PortTaken(Exception):
    """Another pod of the node holds one of the ports."""


class HostPorts:
    """The host ports of one node's pods, by the pods' uids."""

    def __init__(self, rules: HostPortRules) -> None:
        self._rules = rules
        self._reserved: dict[str, frozenset[HostPort]] = {}
        self._mappings: dict[str, tuple[PortMapping, ...]] = {}

    def reserve(self, pod: Pod) -> None:
        """Raises PortTaken."""
        uid, ports = pod.metadata.uid, host_ports(pod)
        if not ports:
            return
        if conflicts(ports, (port for other, held in self._reserved.items() if other != uid for port in held)):
            raise PortTaken
        self._reserved[uid] = ports

    def resume(self, pod: Pod, ips: Sequence[str]) -> None:
        """Takes up a pod that an agent before this one had started. The kernel learns of it by `start`."""
        ports = host_ports(pod)
        if ports:
            self._reserved[pod.metadata.uid] = ports
            self._mappings[pod.metadata.uid] = tuple(mappings_of(pod, ips))

    def start(self) -> None:
        """Writes the rules of resumed pods to the kernel, and no others. Raises KernelError."""
        self._rules.start(self._all())

    def publish(self, pod: Pod, ips: Sequence[str]) -> None:
        """Raises KernelError."""
        mappings = tuple(mappings_of(pod, ips))
        if mappings:
            self._mappings[pod.metadata.uid] = mappings
            self._rules.apply(self._all())

    def release(self, uid: str) -> None:
        """Raises KernelError."""
        self._reserved.pop(uid, None)
        if self._mappings.pop(uid, None):
            self._rules.apply(self._all())

    def _all(self) -> list[PortMapping]:
        return [mapping for mappings in self._mappings.values() for mapping in mappings]


def mappings_of(pod: Pod, ips: Sequence[str]) -> Iterator[PortMapping]:
    """Yields a mapping for each host port and family. Without a hostIP a port is one of every family; `0.0.0.0` means
    IPv4."""
    if pod.spec.hostNetwork:
        return
    for port in long_running_ports(pod):
        at = ip_address(port.hostIP) if port.hostIP else None
        for ip in ips if port.hostPort else ():
            if at is None or at.version == ip_address(ip).version:
                host_ip = "" if at is None or at.is_unspecified else str(at)
                protocol = (port.protocol or "TCP").lower()
                yield PortMapping(protocol, host_ip, port.hostPort, ip, port.containerPort)
