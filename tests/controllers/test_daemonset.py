"""The DaemonSet controller: its plans alone, and stories of a whole cluster in virtual time."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import msgspec
import pytest

from fairlead.api.apps.controllerrevision import CONTROLLER_REVISION
from fairlead.api.apps.controllerrevision.kind import ControllerRevision
from fairlead.api.apps.daemonset import DAEMON_SET
from fairlead.api.apps.daemonset.kind import (
    DaemonSet,
    DaemonSetSpec,
    DaemonSetStatus,
    DaemonSetUpdateStrategy,
    RollingUpdateDaemonSet,
)
from fairlead.api.core.node.kind import NODE, Node, Taint
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.core.pod.placement.affinity import Toleration
from fairlead.api.meta.types import LabelSelector, ObjectMeta
from fairlead.base.instant import Instant, render_time
from fairlead.controllers.workloads.daemonset.nodes import Fit, fit_of, target_of
from fairlead.controllers.workloads.daemonset.plan import failed_nodes, reconcile
from fairlead.runtime.plan import Plan
from tests.controllers.applying import applied
from tests.controllers.factories import APP, NOW, node, template
from tests.controllers.world import World, add_node, in_fake_world, in_world


def daemon_set(
    image: str = "nginx:1.14",
    *,
    surge: int | str = 0,
    unavailable: int | str = 1,
    type: str = "RollingUpdate",
    **spec: Any,
) -> DaemonSet:
    rolling = RollingUpdateDaemonSet(maxSurge=surge, maxUnavailable=unavailable)
    fields: dict[str, Any] = {
        "selector": LabelSelector(matchLabels=APP),
        "template": template(image),
        "updateStrategy": DaemonSetUpdateStrategy(
            type=type, rollingUpdate=rolling if type == "RollingUpdate" else None
        ),
        "revisionHistoryLimit": 10,
        **spec,
    }
    meta = ObjectMeta(name="agent", namespace="default", uid="uid-agent", generation=1, resourceVersion="1")
    return DaemonSet(kind="DaemonSet", apiVersion="apps/v1", metadata=meta, spec=DaemonSetSpec(**fields))


class Bench:
    """A set with its objects in lists; `step` applies one plan, and kubelets make the new pods ready."""

    def __init__(self, ds: DaemonSet, nodes: list[Node]) -> None:
        self.ds, self.nodes = ds, nodes
        self.pods: list[Pod] = []
        self.revisions: list[ControllerRevision] = []
        self.not_before: dict[str, Instant] = {}
        self.broken: set[str] = set()
        self.now = NOW

    def plan(self) -> Plan:
        return reconcile(
            self.ds,
            self.pods,
            self.revisions,
            self.nodes,
            not_before=lambda name: self.not_before.get(name, Instant(0.0)),
            now=self.now,
        )

    def step(self) -> Plan:
        plan = self.plan()
        self.pods = [self.run(pod) for pod in applied(plan, self.pods, Pod)]
        self.revisions = applied(plan, self.revisions, ControllerRevision)
        (self.ds,) = applied(plan, [self.ds], DaemonSet)
        return plan

    def run(self, pod: Pod) -> Pod:
        if pod.spec.nodeName:
            return pod
        target, image = target_of(pod), pod.spec.containers[0].image
        ready = "False" if image in self.broken else "True"
        condition = {"type": "Ready", "status": ready, "lastTransitionTime": render_time(self.now)}
        tree = msgspec.to_builtins(pod)
        tree["spec"]["nodeName"] = target
        tree["metadata"]["creationTimestamp"] = render_time(self.now)
        tree["status"] = {"phase": "Running", "conditions": [condition]}
        return msgspec.convert(tree, Pod)

    def settle(self) -> None:
        for _ in range(50):
            if not self.step():
                return
        raise AssertionError("the set does not come to rest")

    def update(self, image: str) -> None:
        meta = msgspec.structs.replace(self.ds.metadata, generation=self.ds.metadata.generation + 1)
        spec = msgspec.structs.replace(self.ds.spec, template=template(image))
        self.ds = msgspec.structs.replace(self.ds, metadata=meta, spec=spec)

    def images(self) -> Counter[str]:
        return Counter(pod.spec.containers[0].image for pod in self.pods)


def settled(ds: DaemonSet, count: int = 3) -> Bench:
    bench = Bench(ds, [node(f"node{number}") for number in range(1, count + 1)])
    bench.settle()
    return bench


def test_each_node_gets_a_pod_that_is_tied_to_it() -> None:
    bench = settled(daemon_set())
    assert sorted(pod.spec.nodeName for pod in bench.pods) == ["node1", "node2", "node3"]
    (revision,) = bench.revisions
    hash = revision.metadata.labels["controller-revision-hash"]
    assert (revision.metadata.name, revision.revision) == (f"agent-{hash}", 1)
    assert revision.data["spec"]["template"]["$patch"] == "replace"
    for pod in bench.pods:
        assert pod.metadata.labels == {"app": "web", "controller-revision-hash": hash}
        assert pod.metadata.ownerReferences[0].uid == "uid-agent"
    assert bench.ds.status == DaemonSetStatus(
        currentNumberScheduled=3,
        desiredNumberScheduled=3,
        numberReady=3,
        numberAvailable=3,
        updatedNumberScheduled=3,
        observedGeneration=1,
    )


def test_the_data_of_a_revision_has_sorted_keys_because_clients_compare_its_bytes() -> None:
    def check(tree: Any) -> None:
        if isinstance(tree, dict):
            assert list(tree) == sorted(tree)
        for child in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
            check(child)

    (revision,) = settled(daemon_set()).revisions
    check(revision.data)
    assert list(revision.data["spec"]["template"]) == ["$patch", "metadata", "spec"]


def test_the_pods_tolerate_problems_of_their_node_and_keep_preferences_of_the_template() -> None:
    own = Toleration(key="node.kubernetes.io/not-ready", operator="Exists", effect="NoExecute", tolerationSeconds=9)
    plan_of = Bench(daemon_set(template=template(tolerations=[own], hostNetwork=True)), [node("node1")])
    plan_of.step()
    pod = plan_of.plan().create[0].obj
    assert isinstance(pod, Pod)
    assert sorted((t.key.partition("/")[2], t.effect, t.tolerationSeconds) for t in pod.spec.tolerations) == [
        ("disk-pressure", "NoSchedule", None),
        ("memory-pressure", "NoSchedule", None),
        ("network-unavailable", "NoSchedule", None),
        ("not-ready", "NoExecute", None),
        ("pid-pressure", "NoSchedule", None),
        ("unreachable", "NoExecute", None),
        ("unschedulable", "NoSchedule", None),
    ]


@pytest.mark.parametrize(
    ("spec", "taints", "expected"),
    [
        ({}, [], Fit(True, True)),
        ({"nodeSelector": {"disk": "fast"}}, [], Fit(False, False)),
        ({"nodeName": "other"}, [], Fit(False, False)),
        ({}, [Taint(key="a", effect="NoSchedule")], Fit(False, True)),
        ({}, [Taint(key="a", effect="NoExecute")], Fit(False, False)),
        ({}, [Taint(key="a", effect="PreferNoSchedule")], Fit(True, True)),
        ({}, [Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule")], Fit(True, True)),
        ({"tolerations": [Toleration(operator="Exists")]}, [Taint(key="a", effect="NoExecute")], Fit(True, True)),
    ],
)
def test_selectors_and_taints_decide_which_nodes_run_a_pod(spec: Any, taints: list[Taint], expected: Fit) -> None:
    assert fit_of(daemon_set(template=template(**spec)), node("node1", taints=taints)) == expected


def test_a_pod_leaves_a_node_that_no_longer_matches_and_is_counted_until_then() -> None:
    bench = settled(daemon_set(template=template(nodeSelector={"kubernetes.io/hostname": "node1"})))
    assert [pod.spec.nodeName for pod in bench.pods] == ["node1"]
    bench.nodes = [node("node1", labels={"kubernetes.io/hostname": "x"}), node("node2")]
    plan = bench.plan()
    assert [delete.obj.metadata.name for delete in plan.delete] == [bench.pods[0].metadata.name]
    assert plan.status[0].obj.status.numberMisscheduled == 1  # type: ignore[attr-defined]


def test_a_rolling_update_replaces_one_pod_at_a_time_and_waits_for_each() -> None:
    bench = settled(daemon_set(), 4)
    bench.broken = {"nginx:1.15"}
    bench.update("nginx:1.15")
    for _ in range(10):
        bench.step()
    assert bench.images() == {"nginx:1.14": 3, "nginx:1.15": 1}
    bench.update("nginx:1.16")
    bench.settle()
    assert bench.images() == {"nginx:1.16": 4}
    assert bench.ds.status.updatedNumberScheduled == 4
    assert sorted(revision.revision for revision in bench.revisions) == [1, 2, 3]


@pytest.mark.parametrize(("unavailable", "expected"), [(1, 1), (2, 2), ("50%", 2), ("26%", 2), ("100%", 4)])
def test_max_unavailable_is_a_number_or_a_share_rounded_up(unavailable: int | str, expected: int) -> None:
    bench = settled(daemon_set(unavailable=unavailable), 4)
    bench.update("nginx:1.15")
    bench.step()
    assert len(bench.plan().delete) == expected


def test_with_surge_the_old_pod_stays_until_the_new_one_is_available() -> None:
    bench = settled(daemon_set(surge=1, unavailable=0))
    bench.broken = {"nginx:1.15"}
    bench.update("nginx:1.15")
    for _ in range(10):
        bench.step()
    assert bench.images() == {"nginx:1.14": 3, "nginx:1.15": 1}
    bench.broken = set()
    bench.update("nginx:1.16")
    bench.settle()
    assert bench.images() == {"nginx:1.16": 3}


def test_with_on_delete_a_pod_is_updated_when_a_user_deletes_it() -> None:
    bench = settled(daemon_set(type="OnDelete"))
    bench.update("nginx:1.15")
    bench.settle()
    assert bench.images() == {"nginx:1.14": 3}
    assert bench.ds.status.updatedNumberScheduled == 0
    bench.pods = bench.pods[1:]
    bench.settle()
    assert bench.images() == {"nginx:1.14": 2, "nginx:1.15": 1}


def test_an_earlier_template_gets_its_revision_back_under_a_new_number() -> None:
    bench = settled(daemon_set())
    for image in ("nginx:1.15", "nginx:1.14"):
        bench.update(image)
        bench.settle()
    assert sorted(revision.revision for revision in bench.revisions) == [2, 3]


def test_old_revisions_above_the_limit_are_deleted_the_oldest_first() -> None:
    bench = settled(daemon_set(revisionHistoryLimit=1))
    for image in ("nginx:1.15", "nginx:1.16", "nginx:1.17"):
        bench.update(image)
        bench.settle()
    assert sorted(revision.revision for revision in bench.revisions) == [3, 4]


def test_a_name_in_use_for_another_template_counts_as_a_collision() -> None:
    bench = settled(daemon_set())
    (revision,) = bench.revisions
    bench.revisions = [msgspec.structs.replace(revision, data={"spec": {}})]
    bench.pods = []
    bench.settle()
    assert bench.ds.status.collisionCount == 1
    assert len(bench.revisions) == 2


def test_duplicate_revisions_become_one_and_their_pods_follow() -> None:
    bench = settled(daemon_set())
    (revision,) = bench.revisions
    meta = msgspec.structs.replace(revision.metadata, name="agent-b", labels={**APP, "controller-revision-hash": "b"})
    bench.revisions.append(msgspec.structs.replace(revision, metadata=meta, revision=2))
    plan = bench.plan()
    assert [delete.obj.metadata.name for delete in plan.delete] == [revision.metadata.name]
    assert {patch.patch["metadata"]["labels"]["controller-revision-hash"] for patch in plan.patch} == {"b"}
    assert len(plan.patch) == 3


def test_a_failed_pod_is_replaced_and_the_next_one_later() -> None:
    bench = settled(daemon_set(), 1)
    bench.pods[0].status.phase = "Failed"
    plan = bench.plan()
    name = bench.pods[0].metadata.name
    assert [(event.reason, event.message) for event in plan.events] == [
        ("FailedDaemonPod", f"Found failed daemon pod default/{name} on node node1, will try to kill it")
    ]
    assert failed_nodes(plan) == ["node1"]
    bench.not_before["node1"] = Instant(NOW + 4)
    waiting = bench.plan()
    assert (waiting.delete, waiting.events, waiting.retry_after) == ((), (), 4.0)


def test_a_pod_waits_no_longer_for_a_node_that_is_gone() -> None:
    bench = Bench(daemon_set(), [node("node1")])
    bench.step()
    bench.pods = applied(bench.plan(), [], Pod)
    bench.nodes = []
    assert [delete.obj.metadata.name for delete in bench.plan().delete] == [bench.pods[0].metadata.name]


def test_a_ready_pod_counts_as_available_after_min_ready_seconds() -> None:
    bench = settled(daemon_set(minReadySeconds=10), 1)
    assert (bench.ds.status.numberReady, bench.ds.status.numberAvailable) == (1, 0)
    assert bench.plan().retry_after == 10.0
    bench.now = Instant(NOW + 10)
    bench.settle()
    assert bench.ds.status.numberAvailable == 1


async def daemons(world: World) -> DaemonSet:
    return await world.client.get(DAEMON_SET, "agent", "default")


async def set_image(world: World, image: str) -> None:
    tree = msgspec.to_builtins(template(image))
    await world.client.patch(DAEMON_SET, "agent", "default", patch={"spec": {"template": tree}})


def fresh(**spec: Any) -> DaemonSet:
    return msgspec.structs.replace(daemon_set(**spec), metadata=ObjectMeta(name="agent", namespace="default"))


def test_a_daemon_set_follows_the_nodes_of_a_cluster() -> None:
    async def story(world: World) -> None:
        await world.client.create(DAEMON_SET, fresh())
        await asyncio.sleep(2)
        assert sorted(p.spec.nodeName for p in await world.pods()) == ["node1", "node2", "node3"]
        await add_node(world.client, "node4", world.clock)
        await asyncio.sleep(2)
        assert (await daemons(world)).status.numberAvailable == 4
        taint = {"spec": {"taints": [{"key": "a", "effect": "NoExecute"}]}}
        await world.client.patch(NODE, "node1", patch=taint)
        await asyncio.sleep(2)
        assert sorted(p.spec.nodeName for p in await world.pods()) == ["node2", "node3", "node4"]
        status = (await daemons(world)).status
        assert (status.desiredNumberScheduled, status.numberAvailable, status.numberMisscheduled) == (3, 3, 0)

    in_world(story)


def test_a_daemon_set_is_updated_rolled_back_and_deleted_with_its_history() -> None:
    async def story(world: World) -> None:
        await world.client.create(DAEMON_SET, fresh())
        await asyncio.sleep(2)
        for number, image in enumerate(("nginx:1.15", "nginx:1.14"), start=2):
            await set_image(world, image)
            await asyncio.sleep(5)
            assert {p.spec.containers[0].image for p in await world.pods()} == {image}
            assert (await daemons(world)).status.updatedNumberScheduled == 3
            revisions = (await world.client.list(CONTROLLER_REVISION)).items
            assert max(revision.revision for revision in revisions) == number
        assert sorted(revision.revision for revision in revisions) == [2, 3]
        await world.client.delete(DAEMON_SET, "agent", "default")
        await asyncio.sleep(5)
        assert await world.pods() == []
        assert (await world.client.list(CONTROLLER_REVISION)).items == []

    in_world(story)


def test_a_revision_of_another_client_is_left_alone_until_the_set_changes() -> None:
    async def story(world: World) -> None:
        await world.client.create(DAEMON_SET, fresh())
        await asyncio.sleep(2)
        (revision,) = (await world.client.list(CONTROLLER_REVISION)).items
        labels = revision.metadata.labels | {"controller-revision-hash": "copy"}
        owners = revision.metadata.ownerReferences
        meta = ObjectMeta(name="agent-copy", namespace="default", labels=labels, ownerReferences=owners)
        copy = msgspec.structs.replace(revision, metadata=meta, revision=2)
        await world.client.create(CONTROLLER_REVISION, copy)
        await asyncio.sleep(2)
        assert len((await world.client.list(CONTROLLER_REVISION)).items) == 2
        await set_image(world, "nginx:1.15")
        await asyncio.sleep(5)
        revisions = (await world.client.list(CONTROLLER_REVISION)).items
        assert sorted(found.revision for found in revisions) == [1, 2, 3]
        await world.client.delete(CONTROLLER_REVISION, "agent-copy", "default")
        await asyncio.sleep(2)
        assert {p.spec.containers[0].image for p in await world.pods()} == {"nginx:1.15"}

    in_world(story)


def test_pods_of_an_update_are_never_all_gone_while_the_api_fails_at_times() -> None:
    async def story(world: World) -> None:
        await world.client.create(DAEMON_SET, fresh())
        await asyncio.sleep(2)
        fewest = [3]

        def count(*_: object) -> None:
            fewest.append(sum(not p.metadata.deletionTimestamp for p in world.pods_seen.items.values()))

        world.pods_seen.add_handler(count)
        fewest.clear()
        await set_image(world, "nginx:1.15")
        client: Any = world.client
        for _ in range(5):
            client.down = True
            await asyncio.sleep(0.3)
            client.down = False
            await asyncio.sleep(0.5)
        await asyncio.sleep(20)
        assert min(fewest) == 2
        assert {p.spec.containers[0].image for p in await world.pods()} == {"nginx:1.15"}
        assert len(await world.pods()) == 3
        assert len((await world.client.list(CONTROLLER_REVISION)).items) == 2

    in_fake_world(story)


def test_pods_that_match_and_have_no_owner_are_adopted() -> None:
    async def story(world: World) -> None:
        alone = Pod(
            kind="Pod",
            apiVersion="v1",
            metadata=ObjectMeta(name="alone", namespace="default", labels=APP),
            spec=template(nodeName="node1").spec,
        )
        await world.client.create(POD, alone)
        await asyncio.sleep(1)
        await world.client.create(DAEMON_SET, fresh(type="OnDelete"))
        await asyncio.sleep(2)
        pods = await world.pods()
        assert len(pods) == 3
        assert "alone" in {p.metadata.name for p in pods}
        assert {ref.kind for p in pods for ref in p.metadata.ownerReferences} == {"DaemonSet"}

    in_world(story)
