"""Splits a transaction that the kernel refused as a whole into pieces that can be refused separately.

What must stay true: a chain comes after the chains that it leads to. All elements of one frontend are one piece, so
that packets meet an incomplete frontend no longer than they do if a whole transaction is split."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from fairlead.net.nft.model import Chain, ElementChange, Transaction
from fairlead.proxy.nftables.rules import BALANCED, DISPATCH, EXTERNAL, HAIRPIN, SERVICES

_TARGET = re.compile(r"\b(?:goto|jump) (\w+)")
_BY_NUMBER = frozenset({SERVICES, EXTERNAL, f"node_{SERVICES}", f"node_{EXTERNAL}"})

Piece = tuple[ElementChange, ...]
"""The changes of one frontend's elements, or of one element without a frontend."""


def chain_pieces(transaction: Transaction) -> Iterator[Transaction]:
    """Returns one transaction for each chain, with the verdicts that lead to the chain."""
    rewritten = {chain.name for chain in transaction.rewrite}
    for chain in _targets_first((*transaction.chains, *transaction.rewrite)):
        verdicts = tuple(change for change in transaction.changes if change.new == f"goto {chain.name}")
        verdicts = tuple(change for change in verdicts if change.set_name == DISPATCH)
        old = chain.name in rewritten
        chains, rewrite = ((), (chain,)) if old else ((chain,), ())
        yield Transaction(transaction.table, None, chains, verdicts, transaction.family, rewrite)


def element_pieces(changes: Iterable[ElementChange]) -> list[Piece]:
    """Returns the changes by frontend, in sorted order."""
    groups: dict[tuple[str, str], list[ElementChange]] = {}
    for change in sorted(changes, key=lambda change: (change.phase, change.set_name, change.key)):
        groups.setdefault(_frontend(change), []).append(change)
    return [tuple(groups[key]) for key in sorted(groups)]


def missing_chain(changes: Iterable[ElementChange], dispatch: Mapping[str, str]) -> str:
    """Returns the first number in the changes without a chain; empty if all have one."""
    for change in changes:
        if change.set_name in _BY_NUMBER and change.new is not None and change.new not in dispatch:
            return change.new
    return ""


def _frontend(change: ElementChange) -> tuple[str, str]:
    if change.set_name in (DISPATCH, BALANCED, HAIRPIN):
        return change.set_name, change.key
    at_node = change.set_name.startswith("node_")
    parts = change.key.split(" . ")
    return ("node_" if at_node else ""), " . ".join(parts[: 2 if at_node else 3])


def _targets_first(chains: Sequence[Chain]) -> list[Chain]:
    ahead = {chain.name: chain for chain in chains}
    ordered: list[Chain] = []

    def add(chain: Chain) -> None:
        for target in (target for rule in chain.rules for target in _TARGET.findall(rule)):
            if target in ahead:
                add(ahead.pop(target))
        ordered.append(chain)

    while ahead:
        add(ahead.pop(min(ahead)))
    return ordered
