"""The arithmetic of rolling updates: the number of pods that each ReplicaSet may have next. Pure numbers on sets.

Sources: the Deployment documentation ("Max Surge", "Max Unavailable", "Proportional scaling").
"""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.api.apps.deployment.kind import Deployment
from fairlead.api.apps.replicaset.kind import ReplicaSet
from fairlead.base.dataclass import dataclass
from fairlead.base.numbers import natural
from fairlead.controllers.workloads.deployment.revisions import DESIRED, MAXIMUM, annotation_number, by_age

Sizes = dict[str, int]
"""New numbers of pods by the names of the sets that change."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Absolute numbers for one Deployment at its present size."""

    replicas: int
    surge: int
    unavailable: int

    @property
    def most(self) -> int:
        """The greatest number of pods during a rollout, surge included."""
        return self.replicas + self.surge

    @property
    def fewest(self) -> int:
        """The least number of available pods during a rollout."""
        return max(0, self.replicas - self.unavailable)


def bounds_of(d: Deployment) -> Bounds:
    """Returns the bounds. Surge rounds up, unavailable rounds down. If both are 0 the rollout could not move, so one
    pod may be unavailable."""
    replicas = 1 if d.spec.replicas is None else d.spec.replicas
    if d.spec.strategy.type == "Recreate":
        return Bounds(replicas, 0, 0)
    rolling = d.spec.strategy.rollingUpdate
    surge = _absolute(rolling.maxSurge if rolling else None, replicas, up=True)
    unavailable = _absolute(rolling.maxUnavailable if rolling else None, replicas, up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return Bounds(replicas, surge, min(unavailable, replicas))


def _absolute(value: int | str | None, total: int, *, up: bool) -> int:
    if value is None:
        value = "25%"
    if isinstance(value, int):
        return value
    text = value.strip()
    if not text.endswith("%"):
        return natural(text) or 0
    share = (natural(text[:-1]) or 0) * total
    return -(-share // 100) if up else share // 100


def size_of(rs: ReplicaSet) -> int:
    """Returns the desired number of pods; 1 if it is not set."""
    return 1 if rs.spec.replicas is None else rs.spec.replicas


def available_of(rs: ReplicaSet) -> int:
    """Returns the available pods by the set's status, but at most its desired size: the status may be out of date."""
    return min(rs.status.availableReplicas, size_of(rs))


def next_size_of_new(rolling: bool, bounds: Bounds, new_size: int, all_sizes: int) -> int:
    """Returns the number of pods that the new set may have now."""
    if not rolling:
        return bounds.replicas
    if new_size >= bounds.replicas:
        return bounds.replicas
    room = bounds.most - all_sizes
    return new_size if room <= 0 else new_size + min(room, bounds.replicas - new_size)


def shrink_old(bounds: Bounds, new: ReplicaSet, old: Sequence[ReplicaSet]) -> Sizes:
    """Scales down old sets by the number that may be unavailable: unready pods first, then the oldest sets."""
    present = size_of(new) + sum(map(size_of, old))
    budget = present - bounds.fewest - (size_of(new) - available_of(new))
    if budget <= 0:
        return {}
    sizes = {rs.metadata.name: size_of(rs) for rs in old}
    ordered = sorted(old, key=by_age)
    left = budget
    for rs in ordered:
        broken = min(left, sizes[rs.metadata.name] - available_of(rs))
        sizes[rs.metadata.name] -= max(0, broken)
        left -= max(0, broken)
    spare = min(left, available_of(new) + sum(map(available_of, old)) - bounds.fewest)
    for rs in ordered:
        taken = max(0, min(spare, sizes[rs.metadata.name]))
        sizes[rs.metadata.name] -= taken
        spare -= taken
    return {rs.metadata.name: sizes[rs.metadata.name] for rs in old if sizes[rs.metadata.name] != size_of(rs)}


def is_scaling(d: Deployment, sets: Sequence[ReplicaSet], bounds: Bounds) -> bool:
    """Returns whether the Deployment's size changed since its active sets were last sized."""
    active = [rs for rs in sets if size_of(rs) > 0]
    noted = [annotation_number(rs, DESIRED) for rs in active]
    return any(number is not None and number != bounds.replicas for number in noted)


def scaled(d: Deployment, bounds: Bounds, new: ReplicaSet | None, old: Sequence[ReplicaSet]) -> Sizes:
    """Returns the sizes after the Deployment was scaled: one active set gets the whole change, several share it in
    proportion."""
    every = [*old, new] if new is not None else list(old)
    active = [rs for rs in every if size_of(rs) > 0]
    if len(active) <= 1:
        only = active[0] if active else new or max(old, key=by_age, default=None)
        return {} if only is None else {only.metadata.name: bounds.replicas}
    if new is not None and _is_saturated(new, bounds):
        return {rs.metadata.name: 0 for rs in old if size_of(rs) > 0}
    if d.spec.strategy.type == "Recreate":
        return {}
    return _shared(d, bounds, active)


def _is_saturated(new: ReplicaSet, bounds: Bounds) -> bool:
    noted = annotation_number(new, DESIRED)
    return size_of(new) == bounds.replicas == noted and new.status.availableReplicas == bounds.replicas


def _shared(d: Deployment, bounds: Bounds, active: Sequence[ReplicaSet]) -> Sizes:
    allowed = bounds.most if bounds.replicas > 0 else 0
    change = allowed - sum(map(size_of, active))
    # The biggest set first, so that the remainder of rounding goes to the set that it changes least, in proportion. Of
    # equal sets the newest grows and the oldest shrinks.
    aged = sorted(active, key=by_age, reverse=change > 0)
    ordered = sorted(aged, key=lambda rs: -size_of(rs))
    sizes: Sizes = {}
    given = 0
    for rs in ordered:
        share = _share(d, bounds, rs, change, given) if change else 0
        sizes[rs.metadata.name] = size_of(rs) + share
        given += share
    first = ordered[0].metadata.name
    sizes[first] = max(0, sizes[first] + change - given)
    return sizes


def _share(d: Deployment, bounds: Bounds, rs: ReplicaSet, change: int, given: int) -> int:
    size = size_of(rs)
    if change == given:
        return 0
    if bounds.replicas == 0:
        return max(-size, change - given)
    before = annotation_number(rs, MAXIMUM) or d.status.replicas or size
    fraction = _round_half_up(size * bounds.most, before) - size
    return min(fraction, change - given) if change > 0 else max(fraction, change - given)


def _round_half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)
