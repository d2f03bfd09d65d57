"""Says in plain words what the elements and rules of the nftables mode do."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from fairlead.proxy.inspection.owners import UNOWNED, Owner, Owners, describe
from fairlead.proxy.nftables import rules
from fairlead.proxy.nftables.rules import LOCAL_SLOT

_NODE = "node_"
_MASQUERADE, _MASQUERADE_LOCAL, _LOCAL, _STICKY = (1 << bit for bit in (28, 27, 26, 25))
_COUNT = (1 << 24) - 1


class Key(NamedTuple):
    """The frontend in an element's key, and the rest of the key."""

    protocol: str
    ip: str
    port: int
    rest: str = ""

    def __str__(self) -> str:
        if not self.ip:
            return f"{self.protocol.upper()} to node port {self.port}"
        host = f"[{self.ip}]" if ":" in self.ip else self.ip
        return f"{self.protocol.upper()} to {host}:{self.port}"


def parse_key(set_name: str, key: str) -> Key:
    """Returns the parts of a key of a map of Services."""
    parts = key.split(" . ")
    if set_name.startswith(_NODE):
        return Key(parts[0], "", int(parts[1]), " . ".join(parts[2:]))
    return Key(parts[0], parts[1], int(parts[2]), " . ".join(parts[3:]))


Elements = Mapping[str, Mapping[str, str]]


def owner_of(set_name: str, key: str, value: str, *, owners: Owners, elements: Elements) -> Owner:
    """Returns the Service, and if the element is about an endpoint also that."""
    base = set_name.removeprefix(_NODE)
    if base == rules.DISPATCH:
        return UNOWNED
    if base == rules.BALANCED:
        return Owner(owners.balanced(key))
    if base == rules.HAIRPIN:
        return owners.any_endpoint(key.partition(" . ")[0])
    parsed = parse_key(set_name, key)
    owner = owners.frontend(parsed.protocol, parsed.ip, parsed.port)
    endpoint = ""
    if base == rules.ENDPOINTS:
        endpoint = value
    elif base in (rules.AFFINITY_SLOTS, rules.AFFINITY):
        endpoint = elements.get(_of(set_name, rules.ENDPOINTS), {}).get(f"{_frontend(parsed, set_name)} . {value}", "")
    if not endpoint:
        return owner
    ip, _, port = endpoint.partition(" . ")
    found = owners.endpoint(owner.service, ip, int(port))
    return found._replace(port=owner.port, kind=owner.kind)


def element_words(
    set_name: str, key: str, value: str, *, owners: Owners, elements: Elements, expires_s: int | None = None
) -> str:
    base = set_name.removeprefix(_NODE)
    owner = owner_of(set_name, key, value, owners=owners, elements=elements)
    if base == rules.DISPATCH:
        return f"{_choice(int(key, 16))}: chain {value.removeprefix('goto ')}"
    if base == rules.BALANCED:
        return f"{key} is the load balancer's address of {owner.service or 'no Service'}: other ports are refused"
    if base == rules.HAIRPIN:
        who = f"Pod {owner.pod}" if owner.pod else key.partition(" . ")[0]
        return f"{who} is masqueraded if it reaches itself through a Service"
    parsed = parse_key(set_name, key)
    there = f"{parsed}{_about(owner)}"
    return _OF_SERVICE[base](there, parsed.rest, value, owner, expires_s)


def _of(set_name: str, base: str) -> str:
    return f"{_NODE if set_name.startswith(_NODE) else ''}{base}"


def _frontend(key: Key, set_name: str) -> str:
    return f"{key.protocol} . {key.port}" if set_name.startswith(_NODE) else f"{key.protocol} . {key.ip} . {key.port}"


def _about(owner: Owner) -> str:
    if not owner.service:
        return " (no Service: stale)"
    return f" ({owner.kind} of {owner.service}, port {owner.port})" if owner.kind else f" ({owner.service})"


def _choice(number: int) -> str:
    """Returns what a number of `dispatch` stands for."""
    if number == 0xFFFFFFFF:
        return "drop, because no endpoint is on this node"
    count = number & _COUNT
    where = " on this node" if number & _LOCAL else ""
    text = f"the only endpoint{where}" if count == 1 else f"one of {count} endpoints{where}, drawn at random"
    if number & _STICKY:
        text += ", and a client's next connections go to the same"
    if number & _MASQUERADE:
        text += "; clients are masqueraded"
    if number & _MASQUERADE_LOCAL:
        text += "; the node's own programs are masqueraded"
    return text


def _slot(text: str) -> str:
    number = int(text, 16)
    if number & 1 << 31:
        return f"endpoint id {text}"
    place = number & ~LOCAL_SLOT
    return f"draw {place + 1}{' among those on this node' if number & LOCAL_SLOT else ''}"


_Words = Callable[[str, str, str, Owner, int | None], str]


def _sticks(there: str, client: str, _: str, owner: Owner, expires_s: int | None) -> str:
    left = f", for {expires_s} s more" if expires_s is not None else ""
    return f"{there}: client {client} goes to {describe(owner) if owner.address else 'an endpoint that is gone'}{left}"


_OF_SERVICE: dict[str, _Words] = {
    rules.SERVICES: lambda there, _, value, __, ___: f"{there} goes to {_choice(int(value, 16))}",
    rules.EXTERNAL: lambda there, _, value, __, ___: f"{there} from outside goes to {_choice(int(value, 16))}",
    rules.ENDPOINTS: lambda there, slot, _, owner, ___: f"{there}, {_slot(slot)}: {describe(owner)}",
    rules.AFFINITY_SLOTS: lambda there, slot, value, owner, ___: (
        f"{there}, {_slot(slot)}: {describe(owner)}, id {value}"
    ),
    rules.TIMEOUTS: lambda there, _, value, __, ___: (
        f"{there} remembers a client for {value.rpartition('_')[2].removesuffix('s')} s"
    ),
    rules.AFFINITY: _sticks,
    rules.UNSERVED: lambda there, _, __, ___, ____: f"{there} is refused: no endpoint serves",
    rules.RESTRICTED: lambda there, _, __, ___, ____: f"{there} is for the clients in `allowed` alone",
    rules.ALLOWED: lambda there, block, _, __, ___: f"{there} allows clients in {block}",
}


_CHAINS: tuple[tuple[str, str], ...] = (
    (r"(?:node_)?(slots|sticky)_(local_)?\d+|(?:node_)?local_\d+", "chooses an endpoint"),
    (r"masquerade_local_.*", "marks the node's own packets for masquerading, then chooses an endpoint"),
    (r"masquerade_.*", "marks packets for masquerading, then chooses an endpoint"),
    (r"(?:node_)?affinity_chain_(\d+)s", "remembers the client, then sends to the endpoint"),
    (r"(?:node_)?affinity_chain", "finds how long the Service remembers clients"),
    (r"(?:node_)?remember_(\d+)s", "remembers which endpoint the client got"),
    (r"(?:node_)?forget", "forgets a client whose endpoint is gone"),
    (r"(?:node_)?send", "translates the address to the chosen endpoint"),
    (r"choose", "finds the chain for the Service's number"),
    (r"choose_masqueraded", "marks packets for masquerading, then finds the chain for the Service's number"),
    (r"node_ports", "finds the Service of a node port"),
    (r"node_ports_external", "finds the Service of a node port for clients outside"),
    (r"prerouting", "packets that come in by a link"),
    (r"output", "packets of the node's own programs"),
    (r"postrouting", "packets that leave: masquerading"),
    (r"refuse", "refuses at once"),
    (r"refuse_service", "refuses packets to addresses and ports that no Service has"),
    (r"refuse_forwarded", "refuses forwarded packets that no Service takes"),
    (r"refuse_incoming", "refuses packets to the node that no Service takes"),
    (r"refuse_local", "refuses packets of the node's own programs that no Service takes"),
    (r"rules_\w+", "marks the version of the rules"),
    (r"drop_all", "drops packets of Services that stay on a node without endpoints"),
)

_RULES: tuple[tuple[str, str], ...] = (
    (r".*@restricted .* drop", "drops clients outside a Service's source ranges"),
    (r".*vmap @dispatch", "goes to the chain for the Service's number"),
    (r"iifname .* ct mark set.*|ip6? s?d?addr .* ct mark set.*", "marks clients from outside for masquerading"),
    (r"fib saddr type local ct mark set.*", "marks the node's own packets for masquerading"),
    (r"ct mark set.*", "marks the connection for masquerading"),
    (r".*map @(node_)?external goto choose", "looks up the address for clients outside"),
    (r".*map @services goto choose(_masqueraded)?", "looks up the address among all Services"),
    (r".*map @node_services goto choose", "looks up the node port among all Services"),
    (r".*goto node_ports(_external)?", "goes on with node ports, if the address is the node's own"),
    (r"ct mark & .* masquerade", "replaces the source of marked connections by the node's address"),
    (r".*@hairpin masquerade", "replaces the source of a Pod that reaches itself by the node's address"),
    (r"meta mark set numgen .*", "draws an endpoint at random"),
    (r".*map @(node_)?affinity .*", "looks for an earlier connection of the client"),
    (r".*map @(node_)?affinity_slots", "finds the id of the drawn endpoint"),
    (r".*vmap @(node_)?timeouts", "goes to the chain that remembers clients as long as the Service wants"),
    (r"jump (node_)?forget", "forgets the client's earlier endpoint, which is gone"),
    (r"jump (node_)?remember_.*", "remembers the client's endpoint"),
    (r"update @.*", "remembers the client's endpoint"),
    (r"delete @.*", "forgets the client's endpoint"),
    (r".*dnat ip6? to .*", "translates the address to the endpoint's"),
    (r"ct state established,related accept", "accepts packets of known connections"),
    (r"ct state invalid .* drop", "drops and counts packets of unknown connections"),
    (r"meta l4proto (icmp|ipv6-icmp) drop", "drops pings: no endpoint can answer for all"),
    (r".*@(node_)?unserved goto refuse", "refuses Services without endpoints"),
    (r".*@balanced goto refuse_service", "refuses other ports of load balancers' addresses"),
    (r"ip6? daddr \S+ goto refuse_service", "refuses addresses and ports of the Service range that no Service has"),
    (r".*reject with tcp reset", "refuses TCP by a reset"),
    (r"reject with .*", "refuses by an ICMP error"),
    (r"drop", "drops"),
    (r"goto .*send", "goes on with the translation"),
    (r"goto .*", "goes on in that chain"),
    (r'iifname != "lo" .* drop', "drops packets to 127.0.0.1 from other hosts"),
)


def chain_words(name: str) -> str:
    return next((text for pattern, text in _CHAINS if re.fullmatch(pattern, name)), "not a chain of the proxy")


def rule_words(rule: str) -> str:
    return next((text for pattern, text in _RULES if re.fullmatch(pattern, rule)), "not a rule of the proxy")
