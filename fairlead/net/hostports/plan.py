"""Decides the rules by which ports of a node lead to Pods.

A packet to the port, at any address of the node, goes on to the Pod with its source unchanged; only a Pod that reaches
itself this way is masqueraded. The chains come after those of the Services' proxy, so a node port of a Service wins.
The table is replaced with every change: such ports are few, and the kernel replaces a table atomically.

A program of the node also reaches the port at 127.0.0.1, but not at ::1. Its packet leaves for the Pod with
the node's address as source, and the links of such Pods get `route_localnet`. That setting would open the node's own
loopback services to its neighbours (CVE-2020-8558), so the table drops what another link brings from or to 127.0.0.0/8.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from fairlead.base.dataclass import dataclass
from fairlead.net.conntrack.model import Flow
from fairlead.net.nft.model import Chain, ElementChange, NamedSet, Table, Transaction

TABLE = "fairlead_hostports"
_ANY, _ONE, _HAIRPIN = "any_address", "one_address", "hairpin"


@dataclass(frozen=True, slots=True, order=True)
class PortMapping:
    """A port of the node, for one address family."""

    protocol: str
    """The protocol: tcp, udp or sctp."""
    host_ip: str
    """The node's address; empty for all addresses of the node."""
    host_port: int
    ip: str
    """The Pod's address."""
    port: int

    @property
    def family(self) -> str:
        return "ip6" if ":" in self.ip else "ip"


def replacement(family: str, mappings: Iterable[PortMapping]) -> Transaction:
    """Returns the transaction that creates a family's table, or replaces the existing one."""
    return Transaction(TABLE, replace=_table(family), changes=tuple(sorted(_elements(mappings))), family=family)


def _elements(mappings: Iterable[PortMapping]) -> Iterator[ElementChange]:
    for m in sorted(mappings):
        to = f"{m.ip} . {m.port}"
        if m.host_ip:
            yield ElementChange(_ONE, f"{m.host_ip} . {m.protocol} . {m.host_port}", None, to)
        else:
            yield ElementChange(_ANY, f"{m.protocol} . {m.host_port}", None, to)
    for ip in sorted({m.ip for m in mappings}):
        yield ElementChange(_HAIRPIN, f"{ip} . {ip}", None, "")


def _table(family: str) -> Table:
    address = "ipv4_addr" if family == "ip" else "ipv6_addr"
    loopback = "127.0.0.0/8" if family == "ip" else "::1"
    here = "fib daddr type local goto ports"
    not_loopback = f"{family} daddr != {loopback} {here}"
    to = f"meta l4proto {{ tcp, udp, sctp }} dnat {family} to"
    return Table(
        TABLE,
        (
            NamedSet(_ANY, "inet_proto . inet_service", f"{address} . inet_service"),
            NamedSet(_ONE, f"{address} . inet_proto . inet_service", f"{address} . inet_service"),
            NamedSet(_HAIRPIN, f"{address} . {address}"),
        ),
        (
            Chain(
                "ports",
                (
                    f"{to} {family} daddr . meta l4proto . th dport map @{_ONE}",
                    f"{to} meta l4proto . th dport map @{_ANY}",
                ),
            ),
            Chain(
                "protect_loopback",
                (f'iif != "lo" {family} daddr {loopback} drop', f'iif != "lo" {family} saddr {loopback} drop'),
                "type filter hook prerouting priority -300",  # answers still have the node's address
            ),
            Chain("prerouting", (not_loopback,), "type nat hook prerouting priority -99"),
            Chain("output", (here if family == "ip" else not_loopback,), "type nat hook output priority -99"),
            Chain(
                "postrouting",
                (
                    f"ct status dnat {family} saddr . {family} daddr @{_HAIRPIN} masquerade",
                    f"ct status dnat {family} saddr {loopback} masquerade",
                ),
                "type nat hook postrouting priority 99",
            ),
        ),
        family=family,
    )


def stale_flows(
    flows: Sequence[Flow], *, before: Collection[PortMapping], after: Collection[PortMapping]
) -> list[Flow]:
    """Returns the UDP flows that a change leaves behind: flows to a deleted Pod, or to the node itself."""
    added = {m.host_port for m in after if m not in before and m.protocol == "udp"}
    removed = {(m.host_port, m.ip, m.port) for m in before if m not in after and m.protocol == "udp"}
    return [
        flow
        for flow in flows
        if (flow.port, flow.answered_by, flow.answered_from) in removed
        or (flow.port in added and flow.answered_by == flow.target)
    ]
