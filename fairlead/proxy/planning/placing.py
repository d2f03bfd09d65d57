"""Keeps targets in stable places 0, 1, 2… while others come and go. Pure.

Made for thousands of targets of which few change: the work for each target is a copy."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import compress, count
from operator import is_not
from typing import NamedTuple, cast

from fairlead.service.endpoints import Target

_NOWHERE: Mapping[Target, int] = {}


class Order(NamedTuple):
    targets: tuple[Target, ...] = ()
    places: Mapping[Target, int] = _NOWHERE


NO_ORDER = Order()


def ordered(targets: Sequence[Target]) -> Order:
    """Returns the targets in the places that the sequence gives them."""
    return Order(tuple(targets), {target: place for place, target in enumerate(targets)})


def rearranged(
    desired: Collection[Target], before: Order = NO_ORDER, *, among: Collection[Target] | None = None
) -> Order:
    """Returns the targets with as many as possible in their old places, and new ones sorted. `among`: all targets
    that came or went, if known."""
    desired = desired if isinstance(desired, dict | set) else set(desired)
    if among is None:
        gone = set(before.places).difference(desired)
        fresh = sorted(set(desired).difference(before.places), reverse=True)
    else:
        gone = {target for target in among if target in before.places and target not in desired}
        fresh = sorted((t for t in among if t in desired and t not in before.places), reverse=True)
    if not gone and not fresh:
        return before
    holes = sorted(before.places[target] for target in gone)
    places: list[Target | None] = list(before.targets)
    for hole in holes:
        places[hole] = None
    for hole in holes:
        _strip(places)
        if hole >= len(places):
            break
        # The last target moves if no new target fills the place of a removed one.
        places[hole] = fresh.pop() if fresh else places.pop()
    _strip(places)
    targets = cast(list[Target], places)
    targets.extend(reversed(fresh))
    new_places = dict(before.places)
    for target in gone:
        del new_places[target]
    moved = (*(hole for hole in holes if hole < len(targets)), *range(len(before.targets), len(targets)))
    new_places.update((targets[place], place) for place in moved)
    return Order(tuple(targets), new_places)


def changed(before: Sequence[Target], now: Sequence[Target]) -> list[int]:
    """Returns the places whose target changed, or that only one side has."""
    both = min(len(before), len(now))
    # Most targets are the same objects; `is_not` compares them without a Python step for each.
    other = compress(count(), map(is_not, before, now))
    return [*(place for place in other if before[place] != now[place]), *range(both, max(len(before), len(now)))]


def _strip(places: list[Target | None]) -> None:
    while places and places[-1] is None:
        places.pop()
