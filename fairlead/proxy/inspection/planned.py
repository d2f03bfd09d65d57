"""Makes the rules that a node should have, from the API's objects alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from fairlead.api.core.service.kind import Service
from fairlead.api.discovery.endpointslice.kind import EndpointSlice
from fairlead.base.dataclass import replace
from fairlead.net.iptables.fake import HOOKS
from fairlead.net.nft.listing import Listing, canonical
from fairlead.net.nft.model import Chain
from fairlead.proxy.inspection.ruleset import IptablesRules, NftRules, RuleSet
from fairlead.proxy.iptables.plan import View, plan_service
from fairlead.proxy.iptables.rules import SHARED, Place, fixed_chains, jumps, tails
from fairlead.proxy.nftables.plan import desired
from fairlead.proxy.nftables.rules import DISPATCH, fixed_table, named_sets
from fairlead.proxy.planning.proxierconfig import ProxierConfig, TrafficDetector
from fairlead.service.node import NodeView

Services = Mapping[str, Service]
Slices = Mapping[str, Sequence[EndpointSlice]]
"""Services and their slices, by the Service's `namespace/name`."""


def plan_rules(
    mode: str, services: Services, slices: Slices, *, node: NodeView, proxier: ProxierConfig, pods: tuple[str, ...] = ()
) -> RuleSet:
    """Returns the rules of one node in the proxier's family. `pods`: the ranges of all Pods, for iptables."""
    return _PLANNERS[mode](services, slices, node=node, proxier=proxier, pods=pods)


class _Planner(Protocol):
    def __call__(
        self, services: Services, slices: Slices, *, node: NodeView, proxier: ProxierConfig, pods: tuple[str, ...]
    ) -> RuleSet: ...


def _nftables(
    services: Services, slices: Slices, *, node: NodeView, proxier: ProxierConfig, pods: tuple[str, ...]
) -> NftRules:
    del pods
    table, plan = fixed_table(proxier), desired(services, slices, node=node)
    chains = {chain.name: chain for chain in (*table.chains, *plan.chains.values())}
    family = proxier.family.table
    printed = {
        name: Chain(name, tuple(canonical(rule, family) for rule in chain.rules), chain.hook)
        for name, chain in chains.items()
    }
    elements = {one.name: dict(plan.elements.get(one.name, {})) for one in table.sets}
    elements[DISPATCH] = {chain.number: f"goto {name}" for name, chain in chains.items() if chain.number}
    dynamic = frozenset(one.name for one in named_sets(proxier.family) if one.dynamic)
    return NftRules(proxier.family, Listing(printed, elements, {}, dynamic))


def _iptables(
    services: Services, slices: Slices, *, node: NodeView, proxier: ProxierConfig, pods: tuple[str, ...]
) -> IptablesRules:
    near = (str(node.pod_cidr),) if pods and node.pod_cidr is not None else ()
    if pods:
        proxier = replace(proxier, detector=TrafficDetector(pods=pods))
    view = View(node, proxier, near)
    lines: dict[Place, list[str]] = {place: [] for place in SHARED}
    tables: dict[str, dict[str, Sequence[str]]] = {
        table: {hook: jumps().get((table, hook), ()) for hook in hooks} for table, hooks in HOOKS.items()
    }
    for (table, name), chain in fixed_chains(proxier).items():
        tables[table][name] = chain.rules
    for key in sorted(services):
        plan = plan_service(services[key], slices.get(key, ()), view=view)
        tables["nat"].update((name, chain.rules) for name, chain in plan.chains.items())
        for place, own in plan.lines.items():
            lines[place] += own
    last = tails(proxier)
    for (table, name), shared in lines.items():
        tables[table][name] = (*shared, *last.get((table, name), ()))
    return IptablesRules(proxier.family, tables)


_PLANNERS: Mapping[str, _Planner] = {"nftables": _nftables, "iptables": _iptables}
