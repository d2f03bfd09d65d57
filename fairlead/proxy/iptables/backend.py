"""The iptables backend: turns plans into chains and lines, applies the differences, and repairs foreign changes.

What must stay true, beside the contract of every backend (`proxy/planning/backend.py`): a change is one run of
`iptables-restore` with only the chains and lines that change. A chain cannot be deleted if a foreign rule leads to
it: `resync` deletes unused chains last, and leaves refused ones for the next `resync`. The tables are read only at
the start, after a refusal, and if another program may have changed them. For nf_tables the kernel's count of
transactions shows foreign changes. Legacy has no such count, so its tables are read at every periodic check (0.4 s of
another process's time for 10,000 Services)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from fairlead.base.metrics import Family, Labels, Sample, counter
from fairlead.net.errors import KernelError
from fairlead.net.iptables.model import Block, Edit, Iptables, IptablesError, Restore, TooLarge, Unavailable, pack
from fairlead.proxy.iptables.incremental import Planner
from fairlead.proxy.iptables.plan import View
from fairlead.proxy.iptables.rules import FORWARD, INVALID, NODE_PORTS
from fairlead.proxy.iptables.rulesync import Proposal, RuleSync, removal
from fairlead.proxy.planning.backend import NOTHING_DONE, Address, NoLocal, Outcome, Source, UdpFrontend
from fairlead.proxy.planning.proxierconfig import ProxierConfig, TrafficDetector
from fairlead.proxy.planning.salvage import salvage
from fairlead.service.node import NodeView


class IptablesBackend:
    """The iptables rules of one family.

    `pods`: the ranges of all Pods, if Pod addresses stay unchanged between nodes; if empty, `proxier.detector`
    decides. They tell clients of cluster IPs apart, as upstream does and displays it. If a Service keeps traffic on
    its node, only the node's own Pod range counts: an answer to another node's Pod would not pass this node."""

    def __init__(self, tables: Iptables, proxier: ProxierConfig, *, pods: tuple[str, ...] = ()) -> None:
        self._tables = tables
        self._proxier = replace(proxier, detector=TrafficDetector(pods=pods)) if pods else proxier
        self._told_by_range = bool(pods)
        self._planner = Planner()
        self._rules = RuleSync(self._proxier)
        self._in_line = False
        self._foreign: int | None = None
        """Foreign transactions counted when the tables were read."""
        self._partial_failures = 0
        self._last = dict.fromkeys(("filter", "nat"), 0)
        """Rules written by the last sync, by table."""

    @property
    def mode(self) -> str:
        return "iptables"

    @property
    def services(self) -> int:
        return len(self._rules.plans)

    def endpoints_of(self, frontend: UdpFrontend) -> frozenset[Address] | None:
        return self._rules.endpoints_of(frontend)

    def plan(self, changed: Mapping[str, Source], *, node: NodeView) -> NoLocal:
        near = (str(node.pod_cidr),) if self._told_by_range and node.pod_cidr is not None else ()
        view = View(node, self._proxier, near)
        plans = {key: self._planner.plan(key, source, view=view) for key, source in changed.items()}
        self._rules.update(plans)
        return {key: plan.no_local for key, plan in plans.items()}

    async def apply(self) -> Outcome:
        proposal = self._rules.proposal()
        self._in_line = False
        try:
            outcome = await self._run(proposal)
        except IptablesError:
            self._partial_failures += 1
            raise
        self._in_line = True
        self._rules.done()
        return outcome

    async def resync(self) -> Outcome:
        self._foreign = self._tables.foreign()
        self._in_line = False
        proposal = self._rules.resync(await self._tables.save())
        try:
            outcome = await self._run(proposal)
        except Unavailable:
            raise
        except IptablesError:
            # It is unknown how far the programs came.
            proposal = self._rules.resync(await self._tables.save())
            outcome = await self._salvage(proposal)
        deleted, _ = await self._delete(proposal)
        self._in_line = True
        self._rules.done()
        return outcome._replace(structure=outcome.structure + deleted)

    async def tidy(self) -> None:
        """Does nothing: each change deletes its own leftovers."""

    def touched(self) -> bool:
        return not self._in_line or self._foreign is None or self._tables.foreign() != self._foreign

    def families(self, labels: Labels, *, failures: int, cleanup_failures: int) -> Iterator[Family]:
        """Returns this mode's metrics. Upstream has no name for failed cleanups of this mode."""
        name = "kubeproxy_sync_proxy_rules_iptables"
        for kind, text, counts in (
            ("total", "Rules of the proxy.", self._rules.rules),
            ("last", "Rules written by the last sync.", self._last),
        ):
            by_table = [Sample(counts[table], (*labels, ("table", table))) for table in ("filter", "nat")]
            yield Family(f"{name}_{kind}", "gauge", text, by_table)
        yield counter(f"{name}_restore_failures_total", "Restores refused.", failures, labels)
        text = "Restores of single changes refused."
        yield counter(f"{name}_partial_restore_failures_total", text, self._partial_failures, labels)
        try:
            yield from self._packets(labels)
        except IptablesError:
            return

    def _packets(self, labels: Labels) -> Iterator[Family]:
        invalid = self._tables.packets("filter", FORWARD).get(INVALID, 0)
        text = "Packets of unknown connections dropped."
        yield counter("kubeproxy_iptables_ct_state_invalid_dropped_packets_total", text, invalid, labels)
        if self._proxier.localhost:
            seen = self._tables.packets("nat", NODE_PORTS)
            count = sum(packets for rule, packets in seen.items() if rule.startswith("-d 127.0.0.0/8 "))
            text = "Connections to node ports on 127.0.0.1."
            yield counter("kubeproxy_iptables_localhost_nodeports_accepted_packets_total", text, count, labels)

    async def cleanup(self) -> bool:
        self._in_line = False
        proposal = removal(await self._tables.save())
        outcome = await self._run(proposal)
        deleted, refused = await self._delete(proposal)
        if refused is not None:
            raise refused
        return outcome.anything or deleted > 0

    async def _delete(self, proposal: Proposal) -> tuple[int, KernelError | None]:
        """Deletes the chains that none of our rules leads to. Returns how many, and why one was refused."""
        deleted = 0
        last: KernelError | None = None
        for table, names in proposal.unused:

            async def attempt(some: Sequence[str], table: str = table) -> None:
                nonlocal deleted
                # All are emptied first, because they may lead to one another.
                edits = tuple(Edit(verb, name) for verb in ("make", "remove") for name in some)
                await self._tables.restore([Restore(table, edits)])
                deleted += len(some)

            last = (await salvage(names, attempt)).refused or last
        return deleted, last

    async def _salvage(self, proposal: Proposal) -> Outcome:
        """Carries out all blocks except those that the kernel refuses even alone."""
        made: list[Restore] = []
        last: KernelError | None = None
        given_up = False
        for table, blocks in proposal.blocks:

            async def attempt(some: Sequence[Block], table: str = table) -> None:
                restores = list(pack(table, some, self._tables.limit))
                if len(restores) > 1:
                    raise TooLarge("more than one transaction carries")
                await self._tables.restore(restores)
                made.extend(restores)

            result = await salvage(blocks, attempt)
            last, given_up = result.refused or last, given_up or result.given_up
        return _outcome(made, proposal.frontends)._replace(refused=last, given_up=given_up)

    async def _run(self, proposal: Proposal) -> Outcome:
        limit = self._tables.limit
        restores = [restore for table, blocks in proposal.blocks for restore in pack(table, blocks, limit)]
        if restores:
            await self._tables.restore(restores)
            self._last = dict.fromkeys(self._last, 0)
        for restore in restores:
            self._last[restore.table] = self._last.get(restore.table, 0) + restore.rules
        return _outcome(restores, proposal.frontends)


def _outcome(restores: Sequence[Restore], frontends: frozenset[UdpFrontend]) -> Outcome:
    rules = chains = 0
    for restore in restores:
        rules += sum(edit.verb not in ("make", "remove") for edit in restore.edits)
        chains += sum(edit.verb in ("make", "remove") for edit in restore.edits)
    if not restores and not frontends:
        return NOTHING_DONE
    return Outcome(rules, chains, frontends=frontends)
