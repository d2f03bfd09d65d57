"""The nftables backend: plans to elements, elements to transactions, and what somebody else did put right.

What must stay true besides what every backend keeps (`proxy/backend.py`): a change is one small transaction, and the
kernel's table is read only at the start, after a refusal, and when its count of transactions says that somebody else
made one: somebody else than whoever shares the `Nft`, as the proxies of both families do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping

from fairlead.net.nft.model import Change, Nft, NftError, Transaction
from fairlead.proxy.backend import Address, Metric, NoLocal, Outcome, Source, UdpFrontend
from fairlead.proxy.endpoints import NodeView
from fairlead.proxy.nftables.ledger import Ledger
from fairlead.proxy.nftables.plan import NOTHING, plan_service
from fairlead.proxy.nftables.rules import ENDPOINTS, OUTSIDE, SERVICES, UNSERVED, fixed_table
from fairlead.proxy.site import Site

_OF_ADDRESSES = frozenset((SERVICES, OUTSIDE, ENDPOINTS, UNSERVED))
_OF_NODE_PORTS = frozenset(f"node_{name}" for name in _OF_ADDRESSES)


class NftablesBackend:
    def __init__(self, nft: Nft, site: Site) -> None:
        self._nft = nft
        self._table = fixed_table(site)
        self._ledger = Ledger(self._table)
        self._proposed: list[Transaction] = []
        """What was taken since the mirror was right. Nothing is kept where it is not: then all is looked at anyway."""
        self._in_line = False
        self._stirred = False
        """Something was taken since the last look for chains that nobody needs."""
        self._foreign = 0
        """How many transactions others had made when the table was read."""

    @property
    def mode(self) -> str:
        return "nftables"

    @property
    def services(self) -> int:
        return self._ledger.services

    def behind(self, frontend: UdpFrontend) -> frozenset[Address] | None:
        return self._ledger.behind(frontend)

    def take(self, changed: Mapping[str, Source], *, node: NodeView) -> NoLocal:
        before = self._ledger.plans
        plans = {
            key: plan_service(source.service, source.slices, node=node, before=before.get(key, NOTHING))
            for key, source in changed.items()
        }
        proposed = self._ledger.take(plans)
        self._stirred = True
        if self._in_line:
            self._proposed.append(proposed)
        return {key: plan.no_local for key, plan in plans.items()}

    async def apply(self) -> Outcome:
        proposed, self._proposed = self._proposed, []
        self._in_line = False
        if len(proposed) == 1:
            outcome = await self._run(proposed[0])
        else:
            outcome = _together([await self._run(transaction) for transaction in proposed])
        self._in_line = True
        return outcome

    async def resync(self) -> Outcome:
        self._in_line, self._proposed = False, []
        self._foreign = self._nft.foreign()
        self._ledger.found(self._nft.read(self._table.name, self._table.family))
        outcome = await self._run(self._ledger.resync())
        self._in_line = True
        return outcome

    async def tidy(self) -> None:
        if self._stirred:
            idle = self._ledger.idle()
            self._stirred = self._ledger.idling
            await self._run(idle)

    def touched(self) -> bool:
        return self._nft.foreign() != self._foreign

    def samples(self, labels: str, *, failures: int, cleanup_failures: int) -> Iterator[Metric]:
        for name, text, value in (
            ("sync_failures_total", "Refused by the kernel.", failures),
            ("cleanup_failures_total", "Stale rules left.", cleanup_failures),
        ):
            yield f"kubeproxy_sync_proxy_rules_nftables_{name}", "counter", text, [("", labels, float(value))]
        try:
            counters = self._nft.counters(self._table.name, self._table.family)
        except NftError:
            return
        for name, count in sorted(counters.items()):
            text = "Packets of unknown connections dropped."
            yield f"kubeproxy_iptables_{name}_dropped_packets_total", "counter", text, [("", labels, float(count))]

    async def cleanup(self) -> bool:
        self._in_line = False
        return self._nft.delete(self._table.name, self._table.family)

    async def _run(self, transaction: Transaction) -> Outcome:
        for part in transaction.split():
            self._nft.run(part)
            self._ledger.done(part)
            await asyncio.sleep(0)
        if transaction.structure:
            self._ledger.learn(self._nft.rules(self._table.name, self._table.family))
        return Outcome(
            len(transaction.changes),
            len(transaction.chains) + len(transaction.rewrite) + len(transaction.unused),
            transaction.replace is not None,
            changed_frontends(transaction.changes),
        )


def changed_frontends(changes: Iterable[Change]) -> frozenset[UdpFrontend]:
    """The UDP addresses and node ports of Services whose endpoints are not what they were."""
    found = set()
    for change in changes:
        if not change.key.startswith("udp . "):
            continue
        parts = change.key.split(" . ")
        if change.container in _OF_ADDRESSES:
            found.add(UdpFrontend(parts[1], int(parts[2])))
        elif change.container in _OF_NODE_PORTS:
            found.add(UdpFrontend("", int(parts[1])))
    return frozenset(found)


def _together(outcomes: Iterable[Outcome]) -> Outcome:
    found = list(outcomes)
    return Outcome(
        sum(outcome.changes for outcome in found),
        sum(outcome.structure for outcome in found),
        any(outcome.replaced for outcome in found),
        frozenset().union(*(outcome.frontends for outcome in found)),
    )
