"""Properties of the scheduler over random worlds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from fairlead.api.core.namespace.kind import NAMESPACE, Namespace
from fairlead.api.core.node.kind import NODE, Node
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.meta.types import ObjectMeta
from fairlead.scheduler.cache.podinfo import PodInfo, pod_info
from fairlead.scheduler.cache.snapshot import Snapshot
from fairlead.scheduler.framework import Change
from fairlead.scheduler.plan import Chosen, Unschedulable, choose, rejection_of
from fairlead.scheduler.plugins import PLUGINS
from fairlead.scheduler.preemption.plan import Preemption, preempt
from tests.controllers.factories import node
from tests.scheduler.random_worlds import Dice, Tree
from tests.scheduler.worlds import asking, world

SPACES = ("one", "two")
HELPS = {plugin.name: plugin.helps for plugin in PLUGINS}


def made(tree: Tree, type: Any, uid: str) -> Any:
    return msgspec.convert(tree | {"metadata": tree["metadata"] | {"uid": uid}}, type)


class RandomWorld:
    """Nodes, placed pods and one pod to place."""

    def __init__(self, seed: int) -> None:
        self.dice = dice = Dice(seed)
        self.snapshot = Snapshot()
        self.nodes: dict[str, Node] = {}
        self.pods: dict[str, Pod] = {}
        for space in SPACES:
            self.snapshot.namespaces[space] = {"team": space}
        for number in range(3):
            self.put_node(dice.node(f"n{number}"))
        for number in range(5):
            self.place(dice.pod(f"placed{number}", dice.one(*SPACES)))
        self.pending: PodInfo = pod_info(made(dice.pod("new", dice.one(*SPACES)), Pod, "new"))

    def put_node(self, tree: Tree) -> Change:
        name = tree["metadata"]["name"]
        old, new = self.nodes.get(name), made(tree, Node, name)
        self.nodes[name] = new
        self.snapshot.put_node(new)
        return Change(NODE, old, new)

    def place(self, tree: Tree) -> Change:
        tree["spec"]["nodeName"] = f"n{self.dice.rng.randrange(3)}"
        name = tree["metadata"]["name"]
        old, new = self.pods.get(name), made(tree, Pod, name)
        self.pods[name] = new
        self.snapshot.put_pod(name, new, new.spec.nodeName)
        return Change(POD, old, new)

    def change(self) -> Change:
        """Makes one random change."""
        dice = self.dice
        match dice.rng.randrange(5):
            case 0:
                return self.put_node(dice.node("n3"))
            case 1:
                return self.put_node(dice.node(f"n{dice.rng.randrange(3)}"))
            case 2:
                name, gone = dice.one(*self.pods.items())
                self.snapshot.remove_pod(name)
                return Change(POD, gone, None)
            case 3:
                return self.place(dice.pod("another", dice.one(*SPACES)))
            case _:
                space, labels = dice.one(*SPACES), {"team": dice.one(*SPACES, "none")}
                old = self._namespace(space, self.snapshot.namespaces[space])
                self.snapshot.namespaces[space] = labels
                return Change(NAMESPACE, old, self._namespace(space, labels))

    def _namespace(self, name: str, labels: Mapping[str, str]) -> Namespace:
        return Namespace(metadata=ObjectMeta(name=name, labels=dict(labels)))

    def choose(self) -> Chosen | Unschedulable:
        return choose(self.pending, self.snapshot, tie=min)


@pytest.mark.parametrize("first", range(0, 3000, 500))
def test_a_change_that_makes_a_pod_fit_wakes_the_pod(first: int) -> None:
    kinds: Counter[str] = Counter()
    for seed in range(first, first + 500):
        one = RandomWorld(seed)
        before = one.choose()
        change = one.change()
        if isinstance(before, Unschedulable) and isinstance(one.choose(), Chosen):
            helped = [name for name in before.plugins if HELPS[name](one.pending.pod, change)]
            assert helped, f"seed {seed}: {before.message}: {change}"
            kinds[change.kind.kind] += 1
    assert kinds["Node"] >= 10
    assert kinds["Pod"] >= 1


@pytest.mark.parametrize("seed", range(0, 300, 50))
def test_a_preemption_makes_room_and_evicts_no_pod_that_could_stay(seed: int) -> None:
    found = 0
    for number in range(seed, seed + 50):
        dice = Dice(number)
        snapshot = world([node(f"n{i}") for i in range(3)])
        for i in range(9):
            cpu = dice.one("200m", "500m", "900m")
            placed = asking(f"p{i}", priority=dice.one(0, 5, 10), cpu=cpu)
            snapshot.put_pod(f"p{i}", placed, f"n{i % 3}")
        info = pod_info(asking("new", priority=dice.one(3, 8), cpu=dice.one("500m", "1", "1500m")))
        result = choose(info, snapshot, tie=min)
        if not isinstance(result, Unschedulable):
            continue
        outcome = preempt(info, snapshot, result, ())
        if not isinstance(outcome, Preemption):
            continue
        found += 1
        gone = {victim.key for victim in outcome.victims}
        assert all(victim.priority < info.priority for victim in outcome.victims)
        assert fits(info, snapshot, outcome.node, gone)
        assert not any(fits(info, snapshot, outcome.node, gone - {key}) for key in gone)
    assert found > 5


def fits(info: PodInfo, snapshot: Snapshot, name: str, gone: set[str]) -> bool:
    return rejection_of(info, snapshot.simulate(name, remove=gone), name, PLUGINS) is None


@pytest.mark.parametrize("first", range(0, 400, 100))
def test_a_simulated_snapshot_decides_as_a_real_one_and_leaves_the_original(first: int) -> None:
    for seed in range(first, first + 100):
        one = RandomWorld(seed)
        name, gone = one.dice.one(*one.pods.items())
        node_name = gone.spec.nodeName
        before = one.choose()
        simulated = choose(one.pending, one.snapshot.simulate(node_name, remove=[name]), tie=min)
        assert one.choose() == before, seed
        one.snapshot.remove_pod(name)
        assert one.choose() == simulated, seed
