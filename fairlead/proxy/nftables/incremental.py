"""Plans Services incrementally, each from its last plan. Faster than `plan.plan_service`, with the same elements.

What must stay true: a plan has the elements that `plan.written_out` would write for its outline. If few endpoints of
a large Service changed, its plan is a copy with a few changed elements (`patched`). The plan lists those, so that a
comparison of the two plans can skip the others."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from fairlead.proxy.nftables import rules
from fairlead.proxy.nftables.plan import NOTHING, Outline, ServicePlan, Slots, hairpin_keys, outline, written_out
from fairlead.proxy.planning.backend import Source
from fairlead.proxy.planning.incremental import Chooser
from fairlead.proxy.planning.placing import changed
from fairlead.service.frontends import has_frontends
from fairlead.service.node import NodeView

MANY = 16
"""Minimum number of targets that keep their slots; otherwise one more target would move half of the others."""
Slot = tuple[str, str]
"""A set and a key."""


class Planned(NamedTuple):
    plan: ServicePlan
    since: ServicePlan | None = None
    """The plan that this plan was made from, if known."""
    slots: Collection[Slot] = ()
    """The slots in which the two plans differ."""


class Planner:
    """Remembers the last plans of Services with many endpoints."""

    def __init__(self) -> None:
        self._chooser = Chooser(many=MANY)
        self._memos: dict[str, tuple[Outline, ServicePlan]] = {}

    def plan(self, key: str, source: Source, *, node: NodeView) -> Planned:
        """Returns the plan of the Service with this key."""
        service = source.service
        if service is None or not has_frontends(service):
            self._chooser.forget(key)
            self._memos.pop(key, None)
            return Planned(NOTHING)
        chosen = self._chooser.choose(key, service, source.slices, node=node)
        now = outline(service, chosen, family=node.family)
        before = self._memos.pop(key, None)
        if before is None or not (_can_be_patched(before[0]) and _can_be_patched(now)):
            planned = Planned(written_out(now))
        else:
            planned = patched(*before, now)
        if any(len(slots.targets) >= MANY for slots in now.lists):
            self._memos[key] = now, planned.plan
        return planned


def _can_be_patched(some: Outline) -> bool:
    """Returns whether the outline can be patched. Sticky lists cannot: their ids depend on all targets of the list."""
    return not any(slots.sticky for slots in some.lists)


def patched(old: Outline, plan: ServicePlan, new: Outline) -> Planned:
    """Returns the plan of `new`, made by changing the plan of `old`."""
    patch = _Patch(plan)
    for set_name in old.frame.keys() | new.frame.keys():
        before, now = old.frame.get(set_name, {}), new.frame.get(set_name, {})
        patch.drop(set_name, before.keys() - now.keys())
        patch.put(set_name, now.items() - before.items())
    lists = {(slots.at, slots.first): slots for slots in old.lists}
    for slots in new.lists:
        patch.rewrite(lists.pop((slots.at, slots.first), None), slots)
    for slots in lists.values():
        patch.drop(slots.set_name, (slots.slot(place) for place in range(len(slots.targets))))
    if old.hairpins != new.hairpins:
        gone, come = hairpin_keys(old), hairpin_keys(new)
        patch.drop(rules.HAIRPIN, gone - come)
        patch.put(rules.HAIRPIN, ((key, "") for key in come - gone))
    return patch.planned(new)


class _Patch:
    def __init__(self, plan: ServicePlan) -> None:
        self._plan = plan
        self._elements = dict(plan.elements)
        self._own: set[str] = set()
        """The sets that were copied and may be changed."""
        self._slots: set[Slot] = set()

    def planned(self, outline: Outline) -> Planned:
        elements = {set_name: held for set_name, held in self._elements.items() if held}
        plan = ServicePlan(outline.chains, elements, outline.no_local) if elements else NOTHING
        return Planned(plan, self._plan, self._slots)

    def put(self, set_name: str, items: Iterable[tuple[str, str]]) -> None:
        for key, value in items:
            self._elements_of(set_name)[key] = value
            self._slots.add((set_name, key))

    def drop(self, set_name: str, keys: Iterable[str]) -> None:
        for key in keys:
            self._elements_of(set_name).pop(key, None)
            self._slots.add((set_name, key))

    def rewrite(self, old: Slots | None, new: Slots) -> None:
        """Replaces the elements of the old list by those of the new one."""
        places = changed(old.targets if old is not None else (), new.targets)
        count = len(new.targets)
        self.put(new.set_name, ((new.slot(place), new.value(place)) for place in places if place < count))
        self.drop(new.set_name, (new.slot(place) for place in places if place >= count))

    def _elements_of(self, name: str) -> dict[str, str]:
        if name not in self._own:
            self._own.add(name)
            self._elements[name] = dict(self._elements.get(name, {}))
        held = self._elements[name]
        assert isinstance(held, dict)
        return held
