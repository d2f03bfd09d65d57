"""The chains that always exist, under upstream's names, and the lines that send packets to them. Pure.

    PREROUTING, OUTPUT (nat)  -> KUBE-SERVICES -> KUBE-SVC-*             a cluster IP
                                               -> KUBE-EXT-*, KUBE-FW-*  other addresses
                                               -> KUBE-NODEPORTS         the last line: packets to the node itself
    KUBE-EXT-*                -> KUBE-SVC-* or KUBE-SVL-*                endpoints everywhere, or on this node
    KUBE-SVC-*, KUBE-SVL-*    -> KUBE-SEP-*                              translates the address to one endpoint
    POSTROUTING (nat)         -> KUBE-POSTROUTING                        masquerades packets marked by KUBE-MARK-MASQ
    filter                       KUBE-SERVICES, KUBE-EXTERNAL-SERVICES   refuse frontends without endpoints
                                 KUBE-PROXY-FIREWALL                     drops what KUBE-FW-* did not accept
                                 KUBE-NODEPORTS                          accepts health checks of load balancers
                                 KUBE-FORWARD                            drops invalid packets, accepts ours
                                 KUBE-FIREWALL                           protects 127.0.0.1 from other hosts

Two additions are not upstream's, and our chains have names of their own. `FAIRLEAD-UNCLAIMED` refuses ports and
addresses that no Service has (upstream lets the packet leave by the node's default route, and the client waits). OUTPUT
of the filter table leads to KUBE-EXTERNAL-SERVICES too, so that the node's own programs are refused like others.
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
"""A table and the name of a chain in it."""

SHARED: tuple[Place, ...] = (
    ("filter", SERVICES),
    ("filter", EXTERNAL),
    ("filter", PROXY_FIREWALL),
    ("filter", NODE_PORTS),
    ("filter", UNCLAIMED),
    ("nat", NODE_PORTS),
    ("nat", SERVICES),
)
"""Chains with lines of many Services. A chain stands after the chains that it leads to."""


def is_ours(chain: str) -> bool:
    return chain in _FIXED or _OF_SERVICES.fullmatch(chain) is not None


_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_PAIRS = tuple(first + second for first in _DIGITS for second in _DIGITS)


def chain_name(kind: str, port_name: str, protocol: str, endpoint: str = "") -> str:
    """Returns, for SVC, `default/kubernetes:https` and `tcp`: `KUBE-SVC-NPX46M4PTMTKRN6Y`, the same on every machine.

    The name is the first 80 bits of a SHA-256 in base 32. Digits are looked up in pairs: the library's function takes
    five times as long."""
    number = int.from_bytes(hashlib.sha256(f"{port_name}{protocol}{endpoint}".encode()).digest()[:10])
    return f"KUBE-{kind}-{''.join([_PAIRS[number >> shift & 1023] for shift in range(70, -1, -10)])}"


def comment(text: str) -> str:
    return f'-m comment --comment "{text}"'


def host(ip: str) -> str:
    """Returns an address as `iptables-save` prints it."""
    return f"{ip}/128" if ":" in ip else f"{ip}/32"


@cache
def reject(family: Family, protocol: str = "") -> str:
    """Returns upstream's REJECT rule, except for TCP over IPv6, which gets a reset.

    Linux heeds an ICMPv6 error there a second later, and a reset at once."""
    if family is IPV4:
        return "-j REJECT --reject-with icmp-port-unreachable"
    return f"-j REJECT --reject-with {'tcp-reset' if protocol == 'tcp' else 'icmp6-port-unreachable'}"


_NEW = "-m conntrack --ctstate NEW"


def jumps() -> Mapping[Place, tuple[str, ...]]:
    """Returns the first lines of the built-in chains, in upstream's order."""
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
    """Returns the chains without lines of Services."""
    family = proxier.family
    chains = {
        ("nat", MARK_MASQ): (f"-j MARK --set-xmark {MARK}",),
        ("nat", POSTROUTING): (
            f"-m mark ! --mark {MARK} -j RETURN",
            # The mark is removed, so that a packet that passes a second time is not masqueraded again.
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
        # One rule can say that a source is outside one range, but not that it is outside several.
        inside = (f"-s {block} -j RETURN" for block in proxier.detector.pods)
        chains["nat", OUTSIDE] = (*inside, f"-j {MARK_MASQ}")
    return {place: Chain(place[1], (rules,)) for place, rules in chains.items()}


def _refuse(family: Family) -> Iterator[str]:
    yield f"-p {'icmp' if family is IPV4 else 'ipv6-icmp'} {comment('nobody answers a ping for many')} -j DROP"
    if family is not IPV4:
        yield f"-p tcp {reject(family, 'tcp')}"
    yield reject(family)


INVALID = "-m conntrack --ctstate INVALID -j DROP"


def _firewall(family: Family) -> tuple[str, ...]:
    """Returns the lines that protect 127.0.0.1.

    With `route_localnet`, neighbours could reach programs that listen on 127.0.0.1. The rule exists in any case,
    because kubelet keeps the same rule in the same chain and would restore it."""
    if family is not IPV4:
        return ()
    states = "-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT"
    return (f"! -s 127.0.0.0/8 -d 127.0.0.0/8 {comment('block incoming localnet connections')} {states} -j DROP",)


def tails(proxier: ProxierConfig) -> Mapping[Place, tuple[str, ...]]:
    """Returns the last lines of chains that Services have lines in."""
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
        # IPv6 lacks a counterpart of `route_localnet`: an answer to ::1 would not find its way back.
        if block.endswith("/0"):
            yield rest if proxier.family is IPV4 else f"! -d ::1/128 {rest}"
        elif block != "::1/128":
            yield f"-d {block} {rest}"


def any_holds(blocks: Iterable[str], ip: IPv4Address | IPv6Address) -> bool:
    return any(ip in ip_network(block) for block in blocks)


class Marking(NamedTuple):
    """The clients of a cluster IP to masquerade, by source or by link, and the chain that masquerades them."""

    source: str = ""
    link: str = ""
    chain: str = MARK_MASQ


def marking(proxier: ProxierConfig) -> Marking | None:
    """Returns how clients of cluster IPs are masqueraded; None if external clients cannot be detected."""
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
    """Returns matches of which each one selects packets of this node's Pods. `! -i` also matches the node's own
    packets."""
    if detector.link:
        return (f"! -i {detector.link}",)
    if detector.pod_links:
        return (f"-i {detector.pod_links}+",)
    return tuple(f"-s {block}" for block in detector.pods)
