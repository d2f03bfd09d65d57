"""The rules of one node in one family, planned or read from the kernel.

Text is the exchange format: a process inside a node's namespaces reads it (`cmd/wiring/noderules.py`), and another
one parses it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from fairlead.base.dataclass import dataclass, field
from fairlead.net.family import IPV6, Family
from fairlead.net.iptables.model import TABLES, parse_save
from fairlead.net.iptables.trace import Tracer as IptablesTracer
from fairlead.net.nft.listing import Listing, parse_listing
from fairlead.net.nft.trace import Tracer as NftTracer
from fairlead.net.trace import Dice, PacketTracer
from fairlead.proxy.nftables.rules import DISPATCH, EXTERNAL, SERVICES, TABLE, TIMEOUTS

_TARGET = re.compile(r"\b(?:goto|jump) (\w+)")


@dataclass(frozen=True, slots=True)
class NodeText:
    """The rules in a node's kernel in one family, as text. An empty mode means that rules of the proxy are absent."""

    mode: str
    family: str
    """`IPv4` or `IPv6`."""
    text: str = ""
    """The output of `nft list table`, or of `iptables-save`."""
    recent: dict[str, list[str]] = field(default_factory=dict)
    """iptables with session affinity: the clients in each list of the module `recent`."""


@dataclass(frozen=True, slots=True)
class NftRules:
    family: Family
    listing: Listing
    mode: str = "nftables"

    def tracer(self, local: Iterable[str], dice: Dice) -> PacketTracer:
        return NftTracer(self.listing.copy(), local=local, dice=dice, tolerant=True)

    def reached(self) -> frozenset[str]:
        """Returns the chains that packets can reach. Others wait to be deleted (`nftables/mirror.py`)."""
        elements, chains = self.listing.elements, self.listing.chains
        led = (SERVICES, EXTERNAL, f"node_{SERVICES}", f"node_{EXTERNAL}")
        numbers = {number for name in led for number in elements.get(name, {}).values()}
        verdicts = [v for number, v in elements.get(DISPATCH, {}).items() if number in numbers]
        verdicts += [v for name in (TIMEOUTS, f"node_{TIMEOUTS}") for v in elements.get(name, {}).values()]
        ahead = [name for name, chain in chains.items() if chain.hook] + [v.split()[1] for v in verdicts]
        reached: set[str] = set()
        while ahead:
            name = ahead.pop()
            if name in chains and name not in reached:
                reached.add(name)
                ahead += [target for rule in chains[name].rules for target in _TARGET.findall(rule)]
        return frozenset(reached)


@dataclass(frozen=True, slots=True)
class IptablesRules:
    family: Family
    tables: Mapping[str, Mapping[str, Sequence[str]]]
    recent: Mapping[str, Sequence[str]] = field(default_factory=dict)
    mode: str = "iptables"

    def table(self, name: str) -> Mapping[str, Sequence[str]]:
        return self.tables.get(name, {})

    def tracer(self, local: Iterable[str], dice: Dice) -> PacketTracer:
        recent = {name: set(clients) for name, clients in self.recent.items()}
        return IptablesTracer(self, local=local, dice=dice, recent=recent, tolerant=True)


RuleSet = NftRules | IptablesRules


def parse_rules(text: NodeText, family: Family) -> RuleSet | None:
    """Returns the rules; None if the node lacks rules of the proxy."""
    parse = _PARSERS.get(text.mode)
    return parse(text, family) if parse is not None else None


def _parse_nftables(text: NodeText, family: Family) -> NftRules:
    return NftRules(family, parse_listing(text.text))


def _parse_iptables(text: NodeText, family: Family) -> IptablesRules:
    saved = parse_save(text.text)
    return IptablesRules(family, {table: saved[table].chains for table in TABLES if table in saved}, text.recent)


_PARSERS: Mapping[str, Callable[[NodeText, Family], RuleSet]] = {
    "nftables": _parse_nftables,
    "iptables": _parse_iptables,
}


def table_name(family: Family) -> str:
    """Returns the proxy's table of nftables, as commands name it."""
    return f"{'ip6' if family is IPV6 else 'ip'} {TABLE}"
