"""Says in plain words what a step of a trace did."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from fairlead.net.trace import UNKNOWN, Lookup, Step
from fairlead.proxy.inspection import iptableswords, nftwords
from fairlead.proxy.inspection.owners import UNOWNED, Owner
from fairlead.proxy.inspection.ruleset import NftRules
from fairlead.proxy.inspection.walk import Hop
from fairlead.proxy.inspection.world import World, family_of
from fairlead.proxy.nftables.rules import DISPATCH


def step_words(step: Step, world: World, hop: Hop) -> str:
    return UNKNOWN if UNKNOWN in step.effects else _VOCABULARY[hop.mode].words(step, world, hop)


def step_owner(step: Step, world: World, hop: Hop) -> Owner:
    return _VOCABULARY[hop.mode].owner(step, world, hop)


class _Vocabulary(NamedTuple):
    words: Callable[[Step, World, Hop], str]
    owner: Callable[[Step, World, Hop], Owner]


def _nft_words(step: Step, world: World, hop: Hop) -> str:
    if not step.matched:
        return f"{nftwords.rule_words(step.rule)}: no entry for {step.lookups[-1].key}" if step.lookups else ""
    found = _entry(step)
    if found is None:
        return nftwords.rule_words(step.rule)
    return nftwords.element_words(
        found.set_name,
        found.key,
        found.value or "",
        owners=world.owners,
        elements=_elements(world, hop),
        expires_s=_expires(world, hop, found),
    )


def _nft_owner(step: Step, world: World, hop: Hop) -> Owner:
    found = _entry(step)
    if found is None:
        return UNOWNED
    return nftwords.owner_of(
        found.set_name, found.key, found.value or "", owners=world.owners, elements=_elements(world, hop)
    )


def _entry(step: Step) -> Lookup | None:
    """Returns the look-up that decided the step, if its entry belongs to a Service."""
    found = [one for one in step.lookups if one.value is not None and one.set_name != DISPATCH]
    return found[-1] if found and step.matched else None


def _elements(world: World, hop: Hop) -> nftwords.Elements:
    node = world.node(hop.node, family_of(hop.packet.target))
    rules = (node.kernel or node.plan) if node else None
    return rules.listing.elements if isinstance(rules, NftRules) else {}


def _expires(world: World, hop: Hop, found: Lookup) -> int | None:
    node = world.node(hop.node, family_of(hop.packet.target))
    rules = node.kernel if node else None
    return rules.listing.expires.get((found.set_name, found.key)) if isinstance(rules, NftRules) else None


_VOCABULARY = {
    "nftables": _Vocabulary(_nft_words, _nft_owner),
    "iptables": _Vocabulary(
        lambda step, world, _: iptableswords.rule_words(step.chain, step.rule, world.owners).words,
        lambda step, world, _: iptableswords.rule_words(step.chain, step.rule, world.owners).owner,
    ),
}
