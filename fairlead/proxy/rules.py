"""The proxy's table: a fixed set of rules in which every Service, port and endpoint is an element of a map.

    services  { proto . ip . port          : goto <chain> }   cluster IPs, and the node ports of this node
    endpoints { proto . ip . port . slot   : address . port } slots 0..N-1; stable ids where clients stick
    picks     { proto . ip . port . slot   : id }             only where clients stick: which endpoint is slot i
    affinity  { proto . ip . port . client : id }                    filled by the rules, each entry with a timeout

One chain for each endpoint *count*, not for each Service: what a change costs grows with the number of chains (facts,
section 4.3). Where clients stick, an endpoint has an id that does not change when others come and go, so that nobody
is moved but the clients of one that went.

Who is masqueraded (its address replaced by the node's), since the answer would not pass this node otherwise:
- what came to a node port (`masquerade_*` chains; a Service that keeps addresses there will not go through them),
- what came in from the fabric for a cluster IP: pods and nodes use their own node, so this is somebody else,
- a pod that reached itself (`hairpin`), which would drop a packet from its own address.
Everybody else's address is kept.

What no Service claims in the service range is refused at once, by a reset or an ICMP error, in the filter hooks: a
Service without endpoints has no elements, so nothing else is needed for it.
"""

from __future__ import annotations

import hashlib
from functools import cache

from fairlead.net.model import ClusterNetwork
from fairlead.net.nft.model import Chain, Container, Table
from fairlead.net.topology.plan import NODE_LINK

TABLE = "fairlead"
SERVICES, ENDPOINTS, PICKS, AFFINITY, HAIRPIN = "services", "endpoints", "picks", "affinity", "hairpin"

MASQUERADE_MARK = "0x4000"
_AFFINITY_SIZE = 262144
_KEY_TYPE = "inet_proto . ipv4_addr . inet_service"
_KEY = "meta l4proto . ip daddr . th dport"
_DNAT = "meta l4proto { tcp, udp, sctp } dnat ip to"
_MARK = f"ct mark set ct mark | {MASQUERADE_MARK}"


def fixed_table(network: ClusterNetwork) -> Table:
    """The table without elements. Its version says which rules these are."""
    table = Table(TABLE, _containers(), _chains(network))
    text = "\n".join(
        [*table.render(), *(line for c in (*slots(1), *sticky(1, 1), masquerading("x")) for line in c.render())]
    )
    version = hashlib.sha256(text.encode()).hexdigest()[:16]
    return Table(TABLE, table.containers, table.chains, f"rules {version}")


def _containers() -> tuple[Container, ...]:
    dynamic = ("flags dynamic,timeout", "timeout 3h", f"size {_AFFINITY_SIZE}")
    return (
        Container(SERVICES, _KEY_TYPE, "verdict"),
        Container(ENDPOINTS, f"{_KEY_TYPE} . mark", "ipv4_addr . inet_service"),
        Container(PICKS, f"{_KEY_TYPE} . mark", "mark"),
        Container(AFFINITY, f"{_KEY_TYPE} . ipv4_addr", "mark", dynamic),
        Container(HAIRPIN, "ipv4_addr . ipv4_addr"),
    )


def _chains(network: ClusterNetwork) -> tuple[Chain, ...]:
    services = network.service_cidr
    refuse = (
        f"ip daddr {services} meta l4proto tcp reject with tcp reset",
        f"ip daddr {services} reject with icmp port-unreachable",
    )
    lookup = f"{_KEY} vmap @{SERVICES}"
    return (
        Chain("send", (f"{_DNAT} {_KEY} . meta mark map @{ENDPOINTS}",)),
        Chain(
            "prerouting",
            (f'iifname "{NODE_LINK}" ip daddr {services} {_MARK}', lookup),
            "type nat hook prerouting priority dstnat",
        ),
        Chain("output", (lookup,), "type nat hook output priority -100"),
        Chain(
            "postrouting",
            (
                f"ct mark & {MASQUERADE_MARK} == {MASQUERADE_MARK} ct status dnat masquerade fully-random",
                f"ct status dnat ip saddr . ip daddr @{HAIRPIN} masquerade fully-random",
            ),
            "type nat hook postrouting priority srcnat",
        ),
        Chain("refuse_forwarded", refuse, "type filter hook forward priority filter"),
        Chain("refuse_local", refuse, "type filter hook output priority filter"),
    )


@cache
def slots(count: int) -> tuple[Chain, ...]:
    """The chain, last, that sends to one of `count` endpoints, and those that it leads to."""
    return (Chain(f"slots_{count}", (f"meta mark set numgen random mod {count}", "goto send")),)


@cache
def sticky(count: int, timeout_s: int) -> tuple[Chain, ...]:
    """As `slots`, but a client goes where it went within the last `timeout_s`, as long as that endpoint is there."""
    client = f"{_KEY} . ip saddr"
    stuck = Chain(
        f"stuck_{timeout_s}s",
        (
            f"update @{AFFINITY} {{ {client} timeout {timeout_s}s : meta mark }}",
            f"{_DNAT} {_KEY} . meta mark map @{ENDPOINTS}",
        ),
    )
    pick = Chain(
        f"sticky_{count}_{timeout_s}s",
        (
            f"meta mark set {client} map @{AFFINITY} jump {stuck.name}",
            # Back here: nobody knows the client, or its endpoint has gone. `update` would not change an entry's id.
            f"delete @{AFFINITY} {{ {client} : 0x0 }}",
            f"meta mark set numgen random mod {count}",
            f"meta mark set {_KEY} . meta mark map @{PICKS}",
            f"goto {stuck.name}",
        ),
    )
    return (stuck, pick)


@cache
def masquerading(chain: str) -> Chain:
    """Marks the connection for masquerading, then goes on in `chain`."""
    return Chain(f"masquerade_{chain}", (_MARK, f"goto {chain}"))
