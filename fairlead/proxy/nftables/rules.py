"""The proxy's table: a fixed set of rules in which every Service, port and endpoint is an element of a map.

    services       { proto . ip . port          : number }         cluster, external and load-balancer addresses
    external       { proto . ip . port          : number }         the same for external clients, if they differ
    dispatch       { number                     : goto <chain> }   by count of endpoints and kind of traffic
    endpoints      { proto . ip . port . slot   : address . port } slots 0..N-1; stable ids if clients stick
    affinity_slots { proto . ip . port . slot   : id }             only if clients stick: which endpoint is slot i
    timeouts       { proto . ip . port          : goto <chain> }   only if clients stick
    affinity       { proto . ip . port . client : id }             filled by the rules, each entry with a timeout

Node ports have the same maps as `node_*` with keys `proto . port`. They are looked up if the packet is for any
address of the node, so they need no element for each address.

There is one chain for each endpoint *count*, not for each Service: the cost of a change grows with the number of chains
(docs/measurements.md, 3). Services lead to chains by number, not by verdict, because the kernel walks all verdicts of a
map whenever one is added: 2 ms with 20,000 of them. If clients stick, an endpoint has an id that does not change when
others come and go. So only the clients of a removed endpoint move.

Masqueraded (their address is replaced by the node's) are clients whose answers would not pass this node otherwise:
- clients of an external address or a node port of a Service that uses all nodes (`masquerade_*` chains),
- the node itself as such a client, if the Service keeps traffic on its node (`masquerade_local_*`),
- clients of a cluster IP from outside the cluster: Pods and nodes use the rules of their own node,
- a Pod that reached itself (`hairpin`): it would drop a packet from its own address.
All other clients keep their address, and a masqueraded client keeps its port if the port is free (decision 0009).

The filter hooks refuse, by a reset or an ICMP error at once: unclaimed addresses and ports in the service range or at a
load balancer's address, and addresses without endpoints (`unserved`). Pings go unanswered, because a Service's address
stands for many endpoints and none can answer for all of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import cache

from fairlead.base.dataclass import dataclass
from fairlead.net.family import IPV4, Family
from fairlead.net.nft.model import Chain, NamedSet, Role, Table
from fairlead.proxy.planning.proxierconfig import ProxierConfig
from fairlead.proxy.settings.modes import FACTS

TABLE = FACTS["nftables"].table
SERVICES, EXTERNAL, ENDPOINTS, AFFINITY_SLOTS, TIMEOUTS, AFFINITY = (
    "services",
    "external",
    "endpoints",
    "affinity_slots",
    "timeouts",
    "affinity",
)
DISPATCH, HAIRPIN, BALANCED, RESTRICTED, ALLOWED, UNSERVED = (
    "dispatch",
    "hairpin",
    "balanced",
    "restricted",
    "allowed",
    "unserved",
)
INVALID = "ct_state_invalid"
"""Counts packets of connections unknown to the kernel."""

MARKER = "rules_"
"""Prefix of the empty chain whose name identifies the version of the fixed rules."""
MASQUERADE_MARK = "0x4000"
LOCAL_SLOT = 1 << 30
"""The first slot of the list of endpoints on this node, if that list exists beside the list of all endpoints."""
_AFFINITY_SIZE = 262144
_MARK = f"ct mark set ct mark | {MASQUERADE_MARK}"
_MASQUERADE, _MASQUERADE_LOCAL, _LOCAL, _STICKY, _NODE = (1 << bit for bit in (28, 27, 26, 25, 24))


@dataclass(frozen=True, slots=True)
class LookupKey:
    """The key for the lookup of a packet's destination: address and port, or the port alone at any address of the
    node."""

    prefix: str
    fields: tuple[str, ...]
    """The fields of the key, as nft names them."""
    types: tuple[str, ...]
    family: Family

    @property
    def key(self) -> str:
        return " . ".join(self.fields)

    @property
    def client(self) -> str:
        return f"{self.key} . {self.family.table} saddr"

    def map(self, name: str) -> str:
        return self.prefix + name


@cache
def address_key(family: Family) -> LookupKey:
    fields = ("meta l4proto", f"{family.table} daddr", "th dport")
    return LookupKey("", fields, ("inet_proto", family.address, "inet_service"), family)


@cache
def node_key(family: Family) -> LookupKey:
    return LookupKey("node_", ("meta l4proto", "th dport"), ("inet_proto", "inet_service"), family)


def fixed_table(proxier: ProxierConfig) -> Table:
    """Returns the table without elements.

    The table's version defines the meaning of elements; a table of another version is not usable. The name of an
    empty chain identifies the fixed rules, which can be rewritten alone."""
    family = proxier.family
    chains = _chains(proxier)
    marker = Chain(f"{MARKER}{_digest(chains)}", ())
    lookup = address_key(family)
    samples = (*slots(lookup, 1), *slots(lookup, 1, local=True), *sticky(lookup, 1, local=True), *timeout(lookup, 1))
    wrapped = (masquerading(samples[0]), masquerading_local(samples[0]), DROP)
    bare = Table(TABLE, named_sets(family), (), family=family.table, counters=(INVALID,))
    version = _digest((*samples, *wrapped), "\n".join(bare.render()))
    return Table(TABLE, bare.sets, (*chains, marker), f"elements {version}", family.table, bare.counters)


def _digest(chains: Iterable[Chain], text: str = "") -> str:
    lines = [text]
    for chain in chains:
        lines += [*chain.render(), chain.number, *(chain.rules if chain.packed else ())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


@cache
def named_sets(family: Family) -> tuple[NamedSet, ...]:
    key, address = " . ".join(address_key(family).types), family.address
    return (
        NamedSet(DISPATCH, "mark", "verdict"),
        *_sets_of(address_key(family)),
        *_sets_of(node_key(family)),
        NamedSet(RESTRICTED, key, role="entry"),
        NamedSet(ALLOWED, f"{key} . {address}", options=("flags interval",), role="ranges"),
        NamedSet(BALANCED, address),
        NamedSet(HAIRPIN, f"{address} . {address}"),
    )


def roles(family: Family = IPV4) -> dict[str, Role]:
    return {s.name: s.role for s in named_sets(family)}


def _sets_of(lookup: LookupKey) -> tuple[NamedSet, ...]:
    key, address = " . ".join(lookup.types), lookup.family.address
    dynamic = ("flags dynamic,timeout", "timeout 3h", f"size {_AFFINITY_SIZE}")
    return (
        NamedSet(lookup.map(SERVICES), key, "mark", role="entry"),
        NamedSet(lookup.map(EXTERNAL), key, "mark", role="entry"),
        NamedSet(lookup.map(ENDPOINTS), f"{key} . mark", f"{address} . inet_service"),
        NamedSet(lookup.map(AFFINITY_SLOTS), f"{key} . mark", "mark", role="index"),
        NamedSet(lookup.map(TIMEOUTS), key, "verdict"),
        NamedSet(lookup.map(AFFINITY), f"{key} . {address}", "mark", dynamic),
        NamedSet(lookup.map(UNSERVED), key, role="entry"),
    )


def _chains(proxier: ProxierConfig) -> tuple[Chain, ...]:
    return (*_choosing(proxier), *_translating(proxier), *_refusing(proxier))


def _choosing(proxier: ProxierConfig) -> tuple[Chain, ...]:
    """Returns the chains that the hooks go to once a packet's destination is known."""
    address, node = address_key(proxier.family), node_key(proxier.family)
    return (
        *(Chain(lookup.map("send"), (_send(lookup),)) for lookup in (address, node)),
        Chain("choose", (f"meta mark vmap @{DISPATCH}",)),
        Chain("choose_masqueraded", (_MARK, f"meta mark vmap @{DISPATCH}")),
        *(
            Chain(lookup.map("affinity_chain"), (f"{lookup.key} vmap @{lookup.map(TIMEOUTS)}",))
            for lookup in (address, node)
        ),
        Chain("node_ports", (f"meta mark set {node.key} map @{node.map(SERVICES)} goto choose",)),
        Chain(
            "node_ports_external",
            (f"{_external(proxier)}meta mark set {node.key} map @{node.map(EXTERNAL)} goto choose", "goto node_ports"),
        ),
    )


def _translating(proxier: ProxierConfig) -> tuple[Chain, ...]:
    family = proxier.family
    address, ip = address_key(family), family.table
    loopback = "" if proxier.localhost else f"{ip} daddr != {family.loopback} "
    restricted = f"{address.key} @{RESTRICTED} {address.client} != @{ALLOWED} drop"
    known = f"meta mark set {address.key} map @{SERVICES} goto choose"
    return (
        Chain(
            "prerouting",
            (
                restricted,
                *_masquerading_clients(proxier, _external(proxier)),
                f"{_external(proxier)}meta mark set {address.key} map @{EXTERNAL} goto choose",
                *_masquerading_others(proxier, _external(proxier)),
                known,
                f"{_at_node(proxier)}fib daddr type local goto node_ports_external",
            ),
            "type nat hook prerouting priority dstnat",
        ),
        Chain(
            "output",
            (
                restricted,
                *(_masquerading_clients(proxier, "") if proxier.masquerade_all else ()),
                *(_masquerading_others(proxier, "") if proxier.masquerade_all else ()),
                known,
                f"{loopback}{_at_node(proxier)}fib daddr type local goto node_ports",
            ),
            "type nat hook output priority -100",
        ),
        Chain(
            "postrouting",
            (
                f"ct mark & {MASQUERADE_MARK} == {MASQUERADE_MARK} ct status dnat masquerade",
                f"ct status dnat {ip} saddr . {ip} daddr @{HAIRPIN} masquerade",
            ),
            "type nat hook postrouting priority srcnat",
        ),
    )


def _external(proxier: ProxierConfig) -> str:
    """Returns the match for packets from outside; empty if they cannot be detected."""
    detector = proxier.detector
    if detector.link:
        return f'iifname "{detector.link}" '
    if detector.pods:
        return f"{proxier.family.table} saddr != {_set(detector.pods)} "
    return f'iifname != "{detector.pod_links}*" ' if detector.pod_links else ""


def _masquerading_clients(proxier: ProxierConfig, who: str) -> tuple[str, ...]:
    """Returns the rules that masquerade clients of cluster IPs, if the ranges of cluster IPs are known."""
    if not proxier.detector.known and not proxier.masquerade_all:
        return ()
    chosen = "" if proxier.masquerade_all else who
    return tuple(f"{chosen}{proxier.family.table} daddr {cidr} {_MARK}" for cidr in proxier.services)


def _masquerading_others(proxier: ProxierConfig, who: str) -> tuple[str, ...]:
    """Returns the same rules if the ranges are unknown. Traffic that stays on its node was taken by an earlier rule."""
    if proxier.services or not (proxier.detector.known or proxier.masquerade_all):
        return ()
    chosen = "" if proxier.masquerade_all else who
    return (f"{chosen}meta mark set {address_key(proxier.family).key} map @{SERVICES} goto choose_masqueraded",)


def _at_node(proxier: ProxierConfig) -> str:
    """Returns the match for the node's addresses that have node ports; the caller matches that the address is local."""
    return f"{proxier.family.table} daddr {_set(proxier.node_ports)} " if proxier.node_ports else ""


def _set(ranges: Sequence[str]) -> str:
    return f"{{ {', '.join(ranges)} }}"


def _refusing(proxier: ProxierConfig) -> tuple[Chain, ...]:
    """Returns the chains that refuse unclaimed packets. They use filter hooks: a nat chain cannot reject."""
    family = proxier.family
    address, node, ip = address_key(family), node_key(family), family.table
    # Packets of established connections were accepted at the start; otherwise each rule would look at each of them.
    going_on = "ct state established,related accept"
    unserved = f"ct state new {address.key} @{UNSERVED} goto refuse"
    unclaimed = tuple(f"{ip} daddr {cidr} goto refuse_service" for cidr in proxier.services)
    inward = (f'iifname != "lo" {ip} daddr {family.loopback} ct state new drop',) if proxier.localhost else ()
    at_node = f"{_at_node(proxier)}fib daddr type local {node.key}"
    return (
        Chain("refuse", ("meta l4proto tcp reject with tcp reset", f"reject with {family.unreachable}")),
        Chain("refuse_service", (f"meta l4proto {family.icmp} drop", "goto refuse")),
        Chain(
            "refuse_forwarded",
            (
                going_on,
                f"ct state invalid counter name {INVALID} drop",
                *unclaimed,
                f"{ip} daddr @{BALANCED} goto refuse_service",
                unserved,
            ),
            "type filter hook forward priority filter",
        ),
        Chain(
            "refuse_incoming",
            (going_on, *inward, unserved, f"ct state new {at_node} @{node.map(UNSERVED)} goto refuse"),
            "type filter hook input priority filter",
        ),
        Chain(
            "refuse_local",
            (going_on, *unclaimed, f"fib daddr type != local {ip} daddr @{BALANCED} goto refuse_service", unserved),
            "type filter hook output priority filter",
        ),
    )


def _send(lookup: LookupKey) -> str:
    family = lookup.family.table
    return f"meta l4proto {{ tcp, udp, sctp }} dnat {family} to {lookup.key} . meta mark map @{lookup.map(ENDPOINTS)}"


@cache
def slots(lookup: LookupKey, count: int, *, local: bool = False) -> tuple[Chain, ...]:
    """Returns the chains that send to one of `count` endpoints; the entry chain is last."""
    name = f"{lookup.prefix}{'local' if local else 'slots'}_{count}"
    return (
        Chain(name, (_draw(count, local), f"goto {lookup.map('send')}"), number=_number(count, lookup, local=local)),
    )


@cache
def sticky(lookup: LookupKey, count: int, *, local: bool = False) -> tuple[Chain, ...]:
    """Returns the same as `slots` with session affinity.

    A client goes to its last endpoint within the timeout, as long as that endpoint exists."""
    affinity_chain = f"{lookup.prefix}affinity_chain"
    list_bit = f"0x{LOCAL_SLOT:x}"
    forget = _writing(lookup, "forget", f"delete @{lookup.map(AFFINITY)} {{ {lookup.client} : 0x0 }}")
    return (
        forget,
        Chain(
            f"{lookup.prefix}sticky_{'local_' if local else ''}{count}",
            (
                # An entry may be of the other list of endpoints, made before the Service kept traffic on its node.
                f"meta mark set {lookup.client} map @{lookup.map(AFFINITY)} "
                f"meta mark & {list_bit} == {list_bit if local else '0x0'} jump {affinity_chain}",
                # Reached again if the client is unknown or its endpoint has gone. `update` would not change an
                # entry's id.
                f"jump {forget.name}",
                _draw(count, local),
                f"meta mark set {lookup.key} . meta mark map @{lookup.map(AFFINITY_SLOTS)}",
                f"goto {affinity_chain}",
            ),
            number=_number(count | _STICKY, lookup, local=local),
        ),
    )


@cache
def timeout(lookup: LookupKey, timeout_s: int) -> tuple[Chain, ...]:
    """Returns the chain that remembers the client for `timeout_s` and sends it to the endpoint whose id is the mark."""
    update = f"update @{lookup.map(AFFINITY)} {{ {lookup.client} timeout {timeout_s}s : meta mark }}"
    remember = _writing(lookup, f"remember_{timeout_s}s", update)
    return (remember, Chain(f"{lookup.prefix}affinity_chain_{timeout_s}s", (f"jump {remember.name}", _send(lookup))))


def _writing(lookup: LookupKey, name: str, rule: str) -> Chain:
    """Returns a separate chain for a rule that writes: over IPv6 the key is longer than libnftables expects."""
    return Chain(lookup.map(name), (rule,), packed=lookup.family is not IPV4)


@cache
def masquerading(chain: Chain) -> Chain:
    """Returns a chain that marks the connection for masquerading and goes on in `chain`."""
    return Chain(f"masquerade_{chain.name}", (_MARK, f"goto {chain.name}"), number=_flagged(chain, _MASQUERADE))


@cache
def masquerading_local(chain: Chain) -> Chain:
    """Returns the same as `masquerading`, only for packets that the node itself sends."""
    rules = (f"fib saddr type local {_MARK}", f"goto {chain.name}")
    return Chain(f"masquerade_local_{chain.name}", rules, number=_flagged(chain, _MASQUERADE_LOCAL))


DROP = Chain("drop_all", ("drop",), number="0xffffffff")
"""The chain for a Service that keeps traffic on its node and has only endpoints elsewhere."""


def mark(number: int) -> str:
    return f"0x{number & 0xFFFFFFFF:08x}"


def _draw(count: int, local: bool) -> str:
    return f"meta mark set numgen random mod {count}{f' offset {LOCAL_SLOT}' if local else ''}"


def _number(count: int, lookup: LookupKey, *, local: bool) -> str:
    return mark(count | (_LOCAL if local else 0) | (_NODE if lookup.prefix else 0))


def _flagged(chain: Chain, flag: int) -> str:
    return mark(int(chain.number, 16) | flag)
