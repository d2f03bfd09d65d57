"""Targets in places that stay theirs while others come and go. Pure.

For thousands of targets of which few change: what is done for each of them is a copy.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, cast

from fairlead.service.endpoints import Target

_NOWHERE: Mapping[Target, int] = {}


class Order(NamedTuple):
    """Targets in places 0, 1, 2…"""

    targets: tuple[Target, ...] = ()
    places: Mapping[Target, int] = _NOWHERE
    changed: Collection[int] = ()
    """The places that had another target, or none, or that are there no more, compared with the order before it."""


NO_ORDER = Order()


def rearranged(
    wanted: Collection[Target], before: Order = NO_ORDER, *, among: Collection[Target] | None = None
) -> Order:
    """The targets with as many as possible in the places that they had before; new ones sorted. `among` these are all
    that came or went, if that is known. For thousands of which few change: what is done for each is a copy."""
    wanted = wanted if isinstance(wanted, dict | set) else set(wanted)
    if among is None:
        gone = set(before.places).difference(wanted)
        fresh = sorted(set(wanted).difference(before.places), reverse=True)
    else:
        gone = {target for target in among if target in before.places and target not in wanted}
        fresh = sorted((t for t in among if t in wanted and t not in before.places), reverse=True)
    if not gone and not fresh:
        return Order(before.targets, before.places)
    holes = sorted(before.places[target] for target in gone)
    places: list[Target | None] = list(before.targets)
    for hole in holes:
        places[hole] = None
    for hole in holes:
        while places and places[-1] is None:
            places.pop()
        if hole >= len(places):
            break
        # The last one moves where nobody new takes the place of one that went.
        places[hole] = fresh.pop() if fresh else places.pop()
    while places and places[-1] is None:
        places.pop()
    targets = cast(list[Target], places)
    targets.extend(reversed(fresh))
    shorter, longer = sorted((len(targets), len(before.targets)))
    changed = sorted({*(hole for hole in holes if hole < shorter), *range(shorter, longer)})
    found = dict(before.places)
    for target in gone:
        del found[target]
    found.update((targets[place], place) for place in changed if place < len(targets))
    return Order(tuple(targets), found, changed)


def arranged(targets: Sequence[Target], before: Sequence[Target]) -> tuple[Target, ...]:
    """The same of plain lists."""
    return rearranged(targets, Order(tuple(before), {target: place for place, target in enumerate(before)})).targets
