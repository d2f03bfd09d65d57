"""The chains that there always are, under upstream's names, and the lines by which packets come to them. Pure.

    PREROUTING, OUTPUT (nat)  -> KUBE-SERVICES -> KUBE-SVC-*             a cluster IP
                                               -> KUBE-EXT-*, KUBE-FW-*  other addresses
                                               -> KUBE-NODEPORTS         the last line: what is for the node itself
    KUBE-EXT-*                -> KUBE-SVC-* or KUBE-SVL-*                endpoints everywhere, or on this node
    KUBE-SVC-*, KUBE-SVL-*    -> KUBE-SEP-*                              one endpoint, where the address is translated
    POSTROUTING (nat)         -> KUBE-POSTROUTING                        masquerades what KUBE-MARK-MASQ has marked
    filter                       KUBE-SERVICES, KUBE-EXTERNAL-SERVICES   refuse what has no endpoints
                                 KUBE-PROXY-FIREWALL                     drops what KUBE-FW-* let pass by
                                 KUBE-NODEPORTS                          accepts health checks of load balancers
                                 KUBE-FORWARD                            drops invalid packets, accepts ours
                                 KUBE-FIREWALL                           keeps others away from 127.0.0.1

Two things are added, told by names that are not upstream's: `FAIRLEAD-UNCLAIMED` refuses ports and addresses that no
Service has (upstream lets the packet leave by the node's default route, and the client waits), and OUTPUT of the
filter table leads to KUBE-EXTERNAL-SERVICES too, so that a node's own programs are refused as others are.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import NamedTuple

from fairlead.net.family import IPV4, Family
from fairlead.net.iptables.model import Chain
from fairlead.proxy.planning.proxierconfig import ProxierConfig, TrafficDetector

SERVICES, NODE_PORTS, EXTERNAL = "KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-EXTERNAL-SERVICES"
POSTROUTING, MARK_MASQ, FORWARD = "KUBE-POSTROUTING", "KUBE-MARK-MASQ", "KUBE-FORWARD"
FIREWALL, PROXY_FIREWALL, CANARY = "KUBE-FIREWALL", "KUBE-PROXY-FIREWALL", "KUBE-PROXY-CANARY"
UNCLAIMED, REFUSE, OUTSIDE = "FAIRLEAD-UNCLAIMED", "FAIRLEAD-REFUSE", "FAIRLEAD-OUTSIDE"

MARK = "0x4000/0x4000"
NODE_PORTS_COMMENT = "kubernetes service nodeports; NOTE: this must be the last rule in this chain"

_OF_SERVICES = re.compile(r"KUBE-(?:SVC|SVL|EXT|FW|SEP)-[A-Z2-7]{16}")
_FIXED = frozenset(
    (
        *(SERVICES, NODE_PORTS, EXTERNAL, POSTROUTING, MARK_MASQ, FORWARD, FIREWALL, PROXY_FIREWALL, CANARY),
        *(UNCLAIMED, REFUSE, OUTSIDE),
    )
)

Place = tuple[str, str]
"""A table and a chain of it."""

SHARED: tuple[Place, ...] = (
    ("filter", SERVICES),
    ("filter", EXTERNAL),
    ("filter", PROXY_FIREWALL),
    ("filter", NODE_PORTS),
    ("filter", UNCLAIMED),
    ("nat", NODE_PORTS),
    ("nat", SERVICES),
)
"""Chains that have lines of many Services. What leads to others stands after them."""


def is_ours(chain: str) -> bool:
    return chain in _FIXED or _OF_SERVICES.fullmatch(chain) is not None


_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_PAIRS = tuple(first + second for first in _DIGITS for second in _DIGITS)


def chain_name(kind: str, port_name: str, protocol: str, endpoint: str = "") -> str:
    """`KUBE-SVC-NPX46M4PTMTKRN6Y` for SVC, `default/kubernetes:https` and `tcp`: the same on every machine.

    The first 80 bits of a SHA-256 in base 32, by pairs of digits: the library's function takes five times as long."""
    number = int.from_bytes(hashlib.sha256(f"{port_name}{protocol}{endpoint}".encode()).digest()[:10])
    return f"KUBE-{kind}-{''.join([_PAIRS[number >> shift & 1023] for shift in range(70, -1, -10)])}"


def comment(text: str) -> str:
    return f'-m comment --comment "{text}"'


def host(ip: str) -> str:
    """As `iptables-save` prints an address."""
    return f"{ip}/128" if ":" in ip else f"{ip}/32"


@cache
def reject(family: Family, protocol: str = "") -> str:
    """As upstream does it, but for TCP over IPv6: Linux heeds an ICMPv6 error there a second later, a reset at once."""
    if family is IPV4:
        return "-j REJECT --reject-with icmp-port-unreachable"
    return f"-j REJECT --reject-with {'tcp-reset' if protocol == 'tcp' else 'icmp6-port-unreachable'}"


_NEW = "-m conntrack --ctstate NEW"


def jumps() -> Mapping[Place, tuple[str, ...]]:
    """What the built-in chains begin with, in upstream's order."""
    firewall = f"{_NEW} {comment('kubernetes load balancer firewall')} -j {PROXY_FIREWALL}"
    portals = comment("kubernetes service portals")
    external = f"{_NEW} {comment('kubernetes externally-visible service portals')} -j {EXTERNAL}"
    unclaimed = f"{_NEW} {comment('addresses and ports of no service')} -j {UNCLAIMED}"
    return {
        ("filter", "INPUT"): (
            firewall,
            f"{comment('kubernetes health check service ports')} -j {NODE_PORTS}",
            external,
            f"-j {FIREWALL}",
        ),
        ("filter", "FORWARD"): (
            firewall,
            f"{comment('kubernetes forwarding rules')} -j {FORWARD}",
            f"{_NEW} {portals} -j {SERVICES}",
            external,
            unclaimed,
        ),
        ("filter", "OUTPUT"): (firewall, f"{_NEW} {portals} -j {SERVICES}", f"-j {FIREWALL}", external, unclaimed),
        ("nat", "PREROUTING"): (f"{portals} -j {SERVICES}",),
        ("nat", "OUTPUT"): (f"{portals} -j {SERVICES}",),
        ("nat", "POSTROUTING"): (f"{comment('kubernetes postrouting rules')} -j {POSTROUTING}",),
    }


def fixed_chains(proxier: ProxierConfig) -> Mapping[Place, Chain]:
    """Chains in which no Service has a line."""
    family = proxier.family
    found = {
        ("nat", MARK_MASQ): (f"-j MARK --set-xmark {MARK}",),
        ("nat", POSTROUTING): (
            f"-m mark ! --mark {MARK} -j RETURN",
            # The mark goes, lest a packet that comes by once more be masqueraded again.
            "-j MARK --set-xmark 0x4000/0x0",
            f"{comment('kubernetes service traffic requiring SNAT')} -j MASQUERADE --random-fully",
        ),
        ("filter", FORWARD): (
            INVALID,
            f"{comment('kubernetes forwarding rules')} -m mark --mark {MARK} -j ACCEPT",
            f"{comment('kubernetes forwarding conntrack rule')} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        ),
        ("filter", FIREWALL): _firewall(family),
        ("filter", REFUSE): tuple(_refuse(family)),
        **{(table, CANARY): () for table in ("filter", "nat", "mangle")},
    }
    if len(proxier.detector.pods) > 1:
        # A rule can say that a source is not in one range, not that it is in none of several.
        inside = (f"-s {block} -j RETURN" for block in proxier.detector.pods)
        found["nat", OUTSIDE] = (*inside, f"-j {MARK_MASQ}")
    return {place: Chain(place[1], (rules,)) for place, rules in found.items()}


def _refuse(family: Family) -> Iterator[str]:
    yield f"-p {'icmp' if family is IPV4 else 'ipv6-icmp'} {comment('nobody answers a ping for many')} -j DROP"
    if family is not IPV4:
        yield f"-p tcp {reject(family, 'tcp')}"
    yield reject(family)


INVALID = "-m conntrack --ctstate INVALID -j DROP"


def _firewall(family: Family) -> tuple[str, ...]:
    """With `route_localnet` neighbours could reach what listens on 127.0.0.1. It is there in any case: kubelet keeps
    the same rule in the same chain, and would have it back."""
    if family is not IPV4:
        return ()
    states = "-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT"
    return (f"! -s 127.0.0.0/8 -d 127.0.0.0/8 {comment('block incoming localnet connections')} {states} -j DROP",)


def tails(proxier: ProxierConfig) -> Mapping[Place, tuple[str, ...]]:
    """The last lines of chains that Services have lines in."""
    unclaimed = (
        f"-d {block} {comment('no such service, or no such port of it')} -j {REFUSE}" for block in proxier.services
    )
    return {("nat", SERVICES): tuple(_to_node_ports(proxier)), ("filter", UNCLAIMED): tuple(unclaimed)}


def _to_node_ports(proxier: ProxierConfig) -> Iterator[str]:
    rest = f"{comment(NODE_PORTS_COMMENT)} -m addrtype --dst-type LOCAL -j {NODE_PORTS}"
    if not proxier.node_ports:
        loopback = "127.0.0.0/8" if proxier.family is IPV4 else "::1/128"
        yield f"! -d {loopback} {rest}"
    for block in proxier.node_ports:
        # IPv6 has nothing like `route_localnet`: an answer to ::1 would never find back.
        if block.endswith("/0"):
            yield rest if proxier.family is IPV4 else f"! -d ::1/128 {rest}"
        elif block != "::1/128":
            yield f"-d {block} {rest}"


def any_holds(blocks: Iterable[str], ip: IPv4Address | IPv6Address) -> bool:
    return any(ip in ip_network(block) for block in blocks)


class Marking(NamedTuple):
    """Which clients of a cluster IP are to be masqueraded: from where, or by which link; and the chain that does it."""

    source: str = ""
    link: str = ""
    chain: str = MARK_MASQ


def marking(proxier: ProxierConfig) -> Marking | None:
    """None where nobody knows who is from outside."""
    detector = proxier.detector
    if proxier.masquerade_all:
        return Marking()
    if detector.link:
        return Marking(link=f"-i {detector.link} ")
    if detector.pod_links:
        return Marking(link=f"! -i {detector.pod_links}+ ")
    if len(detector.pods) > 1:
        return Marking(chain=OUTSIDE)
    return Marking(source=f"! -s {detector.pods[0]} ") if detector.pods else None


def near(detector: TrafficDetector) -> tuple[str, ...]:
    """What is true of packets of this node's Pods: one of these. Of the node's own packets `! -i` is true too."""
    if detector.link:
        return (f"! -i {detector.link}",)
    if detector.pod_links:
        return (f"-i {detector.pod_links}+",)
    return tuple(f"-s {block}" for block in detector.pods)
