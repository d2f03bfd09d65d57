"""The nftables backend: turns plans into elements and transactions, and repairs foreign changes.

What must stay true, beside the contract of every backend (`proxy/planning/backend.py`): a change is one small
transaction. The kernel's table is read only at the start, after a refusal, and if the kernel's count of transactions
shows a foreign one. Transactions of the proxies that share the `Nft` (both families do) are not foreign."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from fairlead.base.metrics import Family, Labels, counter
from fairlead.net.errors import KernelError
from fairlead.net.nft.model import ElementChange, Nft, NftError, Transaction
from fairlead.proxy.nftables.incremental import Planner
from fairlead.proxy.nftables.mirror import TableMirror
from fairlead.proxy.nftables.pieces import Piece, chain_pieces, element_pieces, missing_chain
from fairlead.proxy.nftables.rules import DISPATCH, ENDPOINTS, EXTERNAL, SERVICES, UNSERVED, fixed_table
from fairlead.proxy.planning.backend import Address, NoLocal, Outcome, Source, UdpFrontend
from fairlead.proxy.planning.proxierconfig import ProxierConfig
from fairlead.proxy.planning.salvage import salvage
from fairlead.service.node import NodeView

_OF_ADDRESSES = frozenset((SERVICES, EXTERNAL, ENDPOINTS, UNSERVED))
_OF_NODE_PORTS = frozenset(f"node_{name}" for name in _OF_ADDRESSES)


class NftablesBackend:
    def __init__(self, nft: Nft, proxier: ProxierConfig) -> None:
        self._nft = nft
        self._table = fixed_table(proxier)
        self._planner = Planner()
        self._mirror = TableMirror(self._table)
        self._proposed: list[Transaction] = []
        """Transactions planned since the mirror was right. Empty if the mirror is wrong: `resync` then compares all."""
        self._in_line = False
        self._stirred = False
        """Plans were made since the last search for unused chains."""
        self._undeleted = 0
        """Number of refused deletions of unused chains."""
        self._foreign = 0
        """Foreign transactions counted when the table was read."""

    @property
    def mode(self) -> str:
        return "nftables"

    @property
    def services(self) -> int:
        return self._mirror.services

    def endpoints_of(self, frontend: UdpFrontend) -> frozenset[Address] | None:
        return self._mirror.endpoints_of(frontend)

    def plan(self, changed: Mapping[str, Source], *, node: NodeView) -> NoLocal:
        planned = {key: self._planner.plan(key, source, node=node) for key, source in changed.items()}
        proposed = self._mirror.update(planned)
        self._stirred = True
        if self._in_line:
            self._proposed.append(proposed)
        return {key: made.plan.no_local for key, made in planned.items()}

    async def apply(self) -> Outcome:
        proposed, self._proposed = self._proposed, []
        self._in_line = False
        outcomes: list[Outcome] = []
        for transaction in proposed:
            outcomes.append(await self._run(transaction))
            if outcomes[-1].refused is not None:
                break
        else:
            self._in_line = True
        return outcomes[0] if len(outcomes) == 1 else _together(outcomes)

    async def resync(self) -> Outcome:
        self._in_line, self._proposed = False, []
        self._foreign = self._nft.foreign()
        self._mirror.observe(self._nft.read(self._table.name, self._table.family))
        outcome = await self._run(self._mirror.resync())
        if outcome.refused is not None:
            if not self._mirror.present:
                # No transaction was carried out, and without the table none can be.
                self._carry_out(Transaction(self._table.name, self._table, family=self._table.family))
            outcome = _together([outcome, await self._salvage(self._mirror.resync())])
        self._in_line = True
        self._stirred |= self._mirror.idling
        return outcome

    async def tidy(self) -> None:
        if self._stirred:
            idle = self._mirror.idle()
            self._stirred = self._mirror.idling
            await self._run(idle)

    def touched(self) -> bool:
        return self._nft.foreign() != self._foreign

    def families(self, labels: Labels, *, failures: int, cleanup_failures: int) -> Iterator[Family]:
        name = "kubeproxy_sync_proxy_rules_nftables"
        yield counter(f"{name}_sync_failures_total", "Transactions refused by the kernel.", failures, labels)
        stale = cleanup_failures + self._undeleted
        yield counter(f"{name}_cleanup_failures_total", "Stale rules that could not be deleted.", stale, labels)
        try:
            counters = self._nft.counters(self._table.name, self._table.family)
        except NftError:
            return
        for name, count in sorted(counters.items()):
            text = "Packets of unknown connections dropped."
            yield counter(f"kubeproxy_iptables_{name}_dropped_packets_total", text, count, labels)

    async def cleanup(self) -> bool:
        self._in_line = False
        return self._nft.delete(self._table.name, self._table.family)

    async def _run(self, transaction: Transaction) -> Outcome:
        """Carries out the parts up to the first that is refused."""
        made: list[Transaction] = []
        refused: KernelError | None = None
        for part in transaction.split():
            if part.delete_chains:
                made += await self._delete(part)
                continue
            try:
                self._carry_out(part)
            except NftError as error:
                refused = error
                break
            made.append(part)
            await asyncio.sleep(0)
        if any(part.structure for part in made):
            self._mirror.record_texts(self._nft.rules(self._table.name, self._table.family))
        return _outcome(made, refused)

    def _carry_out(self, part: Transaction) -> None:
        self._nft.execute(part)
        self._mirror.done(part)

    async def _delete(self, part: Transaction) -> list[Transaction]:
        """Deletes unused chains, one by one if the kernel refuses them together. Returns the parts that were done.

        A refusal costs nothing: the chains stay on record, and the next `tidy` tries them again."""
        if self._accepts(part):
            return [part]
        made: list[Transaction] = []
        left = [*part.delete_chains]
        while True:
            # A chain may go only after the chains that lead to it.
            before = len(made)
            alone = [replace(part, delete_chains=(name,)) for name in left]
            for piece in alone:
                if self._accepts(piece):
                    made.append(piece)
                    left.remove(*piece.delete_chains)
                await asyncio.sleep(0)
            if len(made) == before:
                self._undeleted += len(left)
                return made

    def _accepts(self, part: Transaction) -> bool:
        try:
            self._carry_out(part)
        except NftError:
            return False
        return True

    async def _salvage(self, transaction: Transaction) -> Outcome:
        """Carries out all pieces of a refused transaction except those that are refused even alone."""
        outcomes = [await self._run(piece) for piece in chain_pieces(transaction)]
        refused = [outcome.refused for outcome in outcomes if outcome.refused is not None]

        async def attempt(pieces: Sequence[Piece]) -> None:
            changes = self._mirror.pending(change for piece in pieces for change in piece)
            if missing := missing_chain(changes, self._mirror.current.get(DISPATCH, {})):
                raise NftError(f"no chain has the number {missing}")
            outcome = await self._run(Transaction(self._table.name, changes=changes, family=self._table.family))
            outcomes.append(outcome)
            if outcome.refused is not None:
                raise outcome.refused

        alone, given_up = await salvage(element_pieces(self._mirror.pending(transaction.changes)), attempt)
        outcomes.append(await self._run(replace(transaction, chains=(), rewrite=(), changes=())))
        return _together(outcomes)._replace(refused=alone or next(iter(refused), None), given_up=given_up)


def _outcome(made: Collection[Transaction], refused: KernelError | None) -> Outcome:
    changes = [change for part in made for change in part.changes]
    chains = {chain.name for part in made for chain in (*part.chains, *part.rewrite)}
    return Outcome(
        len(changes),
        len(chains.union(*(part.delete_chains for part in made))),
        any(part.replace is not None for part in made),
        changed_frontends(changes),
        refused,
    )


def changed_frontends(changes: Iterable[ElementChange]) -> frozenset[UdpFrontend]:
    """Returns the UDP addresses and node ports of Services whose endpoints changed."""
    changed = set()
    for change in changes:
        if not change.key.startswith("udp . "):
            continue
        parts = change.key.split(" . ")
        if change.set_name in _OF_ADDRESSES:
            changed.add(UdpFrontend(parts[1], int(parts[2])))
        elif change.set_name in _OF_NODE_PORTS:
            changed.add(UdpFrontend("", int(parts[1])))
    return frozenset(changed)


def _together(outcomes: Sequence[Outcome]) -> Outcome:
    return Outcome(
        sum(outcome.changes for outcome in outcomes),
        sum(outcome.structure for outcome in outcomes),
        any(outcome.replaced for outcome in outcomes),
        frozenset().union(*(outcome.frontends for outcome in outcomes)),
        outcomes[-1].refused if outcomes else None,
        outcomes[-1].given_up if outcomes else False,
    )
