"""Applies the rules of host ports in the kernel, in the network namespace of the thread that made the object."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address

from fairlead.net.errors import KernelError
from fairlead.net.hostports.plan import TABLE, PortMapping, replacement, stale_flows
from fairlead.net.netlink.model import route_loopback
from fairlead.net.netlink.run import Netlink
from fairlead.net.nft.model import Unavailable
from fairlead.net.nft.run import NftKernel
from fairlead.net.topology.plan import pod_link_index

FAMILIES = ("ip", "ip6")


class HostPortRules:
    """The host-port rules of a node. The kernel is opened only when a Pod has host ports: most nodes have none."""

    def __init__(self) -> None:
        self._kernel: NftKernel | None = None
        self._netlink: Netlink | None = None
        self._made: dict[str, tuple[PortMapping, ...]] = {}

    def start(self, mappings: Iterable[PortMapping]) -> None:
        """Replaces the table of an earlier process. Raises KernelError."""
        desired = _by_family(mappings)
        if any(desired.values()):
            self.apply(mappings)
        else:
            self._remove_leftovers()

    def apply(self, mappings: Iterable[PortMapping]) -> None:
        """Applies the mappings. Raises KernelError, after which the earlier rules still apply."""
        for family, desired in _by_family(mappings).items():
            before = self._made.get(family, ())
            if desired != before:
                self._replace(family, before, desired)

    def _replace(self, family: str, before: tuple[PortMapping, ...], desired: tuple[PortMapping, ...]) -> None:
        if self._kernel is None:
            self._kernel = NftKernel()
        ips, old = ({m.ip for m in mappings if m.family == "ip"} for mappings in (desired, before))
        for ip in sorted(old - ips):
            self._route_loopback(ip, on=False)
        if desired:
            self._kernel.execute(replacement(family, desired))
        else:
            self._kernel.delete(TABLE, family)
        self._made[family] = desired
        for ip in sorted(ips - old):
            self._route_loopback(ip, on=True)  # after the rules, which protect the node's loopback services
        if any(m.protocol == "udp" for m in {*before} ^ {*desired}):
            flows = self._kernel.flows(family)
            self._kernel.delete_flows(stale_flows(flows, before=before, after=desired))

    def _route_loopback(self, ip: str, *, on: bool) -> None:
        """Sets `route_localnet` on the link of a Pod; a link that has gone with its Pod needs nothing."""
        self._netlink = self._netlink or Netlink()
        try:
            self._netlink.execute([route_loopback(pod_link_index(IPv4Address(ip)), on=on)])
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise KernelError(f"cannot set route_localnet: {error.strerror}") from error

    def _remove_leftovers(self) -> None:
        try:
            self._kernel = self._kernel or NftKernel()
        except Unavailable:
            return  # without the library there never was a table
        for family in FAMILIES:
            self._kernel.delete(TABLE, family)


def _by_family(mappings: Iterable[PortMapping]) -> Mapping[str, tuple[PortMapping, ...]]:
    every = sorted(set(mappings))
    return {family: tuple(m for m in every if m.family == family) for family in FAMILIES}
