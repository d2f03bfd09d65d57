"""The rules of one node as annotated lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fairlead.base.dataclass import dataclass
from fairlead.proxy.inspection import iptableswords, nftwords
from fairlead.proxy.inspection.owners import UNOWNED, Owner, Owners
from fairlead.proxy.inspection.ruleset import IptablesRules, NftRules, RuleSet


@dataclass(frozen=True, slots=True)
class RuleLine:
    """One rule, or one element of a map or set."""

    node: str
    family: str
    mode: str
    table: str
    """The table of iptables; empty in nftables."""
    place: str
    """The chain, map or set: `chain prerouting`, `map services`."""
    text: str
    """The rule or element, as the kernel prints it."""
    words: str
    owner: Owner = UNOWNED

    def as_tree(self) -> dict[str, Any]:
        tree: dict[str, Any] = {
            "node": self.node,
            "family": self.family,
            "mode": self.mode,
            "table": self.table,
            "place": self.place,
            "text": self.text,
            "words": self.words,
        }
        return tree | owner_tree(self.owner)


def line_of(tree: dict[str, Any]) -> RuleLine:
    """Returns the line of a tree that `as_tree` made. Raises KeyError."""
    owner = Owner(
        tree.get("service", ""),
        tree.get("port", ""),
        tree.get("slice", ""),
        tree.get("pod", ""),
        tree.get("endpointNode", ""),
        tree.get("addressKind", ""),
    )
    return RuleLine(
        tree["node"], tree["family"], tree["mode"], tree["table"], tree["place"], tree["text"], tree["words"], owner
    )


def owner_tree(owner: Owner, *, port: str = "port") -> dict[str, str]:
    """Returns the fields of JSON; empty ones are left out. `port`: the key of the Service's port."""
    fields = {
        "service": owner.service,
        port: owner.port,
        "addressKind": owner.kind,
        "slice": owner.slice,
        "pod": owner.pod,
        "endpointNode": owner.node,
    }
    return {name: value for name, value in fields.items() if value}


def list_rules(rules: RuleSet, owners: Owners, *, node: str) -> list[RuleLine]:
    """Returns all rules and elements of a node in one family, in the order in which the kernel lists them."""
    if isinstance(rules, NftRules):
        return [*_elements(rules, owners, node), *_nft_rules(rules, node)]
    return list(_iptables(rules, owners, node))


def of_service(lines: Iterable[RuleLine], service: str) -> list[RuleLine]:
    """Returns the lines of one Service."""
    return [line for line in lines if line.owner.service == service]


def _elements(rules: NftRules, owners: Owners, node: str) -> Iterator[RuleLine]:
    listing = rules.listing
    for set_name, elements in listing.elements.items():
        for key, value in elements.items():
            owner = nftwords.owner_of(set_name, key, value, owners=owners, elements=listing.elements)
            words = nftwords.element_words(
                set_name,
                key,
                value,
                owners=owners,
                elements=listing.elements,
                expires_s=listing.expires.get((set_name, key)),
            )
            kind = "map" if value else "set"
            text = f"{key} : {value}" if value else key
            yield RuleLine(node, rules.family.name, rules.mode, "", f"{kind} {set_name}", text, words, owner)


def _nft_rules(rules: NftRules, node: str) -> Iterator[RuleLine]:
    for chain in rules.listing.chains.values():
        for rule in chain.rules:
            words = nftwords.rule_words(rule)
            yield RuleLine(node, rules.family.name, rules.mode, "", f"chain {chain.name}", rule, words)


def _iptables(rules: IptablesRules, owners: Owners, node: str) -> Iterator[RuleLine]:
    for table, chains in rules.tables.items():
        for chain, each in chains.items():
            for rule in each:
                words, owner = iptableswords.rule_words(chain, rule, owners)
                yield RuleLine(node, rules.family.name, rules.mode, table, f"chain {chain}", rule, words, owner)
