"""Nodes and what depends on them: silence, taints, eviction, pods without a node; and namespaces."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

from fairlead.api.apps.deployment.kind import DEPLOYMENT
from fairlead.api.coordination.lease.kind import Lease, LeaseSpec
from fairlead.api.core.configmap.kind import CONFIG_MAP
from fairlead.api.core.event.kind import EVENT
from fairlead.api.core.namespace.kind import Namespace, NamespaceSpec
from fairlead.api.core.node.kind import NODE, Node, Taint
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.core.pod.placement.affinity import Toleration
from fairlead.api.core.pod.placement.tolerations import tolerates
from fairlead.api.core.pod.status import PodCondition
from fairlead.api.meta.types import ObjectMeta
from fairlead.base.instant import Instant, render_micro_time, render_time
from fairlead.controllers.cluster.namespace.plan import Remains, kinds_to_delete
from fairlead.controllers.cluster.namespace.plan import reconcile as empty_namespace
from fairlead.controllers.cluster.nodeipam.plan import reconcile as give_range
from fairlead.controllers.cluster.nodelifecycle.eviction import eviction_time, first_seen
from fairlead.controllers.cluster.nodelifecycle.plan import Grace, Observed, reconcile
from fairlead.controllers.cluster.podgc.plan import reconcile as collect
from fairlead.runtime.plan import Plan
from tests.controllers.applying import applied
from tests.controllers.factories import NOW, node, pod
from tests.controllers.world import World, run_story_with


def look(n: Node, *pods: Pod, at: float = 0.0, renewed: float = 0.0, since: float = -1000.0) -> Plan:
    lease = Lease(spec=LeaseSpec(renewTime=render_micro_time(Instant(NOW + renewed))))
    return reconcile(
        n, lease, pods, observed=Observed(Instant(NOW + since)), times=Grace(40, 50), now=Instant(NOW + at)
    )


def test_a_node_with_a_fresh_lease_is_not_checked_before_its_next_deadline() -> None:
    plan = look(node(), pod(), at=30, renewed=25)
    assert not plan
    assert plan.retry_after == 35.5


def test_a_silent_node_becomes_unknown_then_tainted_and_its_pods_not_ready() -> None:
    n, p = node(), pod()
    first = look(n, p, at=41)
    n = applied(first, [n], Node)[0]
    assert {c.type: (c.status, c.reason) for c in n.status.conditions} == {
        "Ready": ("Unknown", "NodeStatusUnknown"),
        "MemoryPressure": ("Unknown", "NodeStatusNeverUpdated"),
        "DiskPressure": ("Unknown", "NodeStatusNeverUpdated"),
        "PIDPressure": ("Unknown", "NodeStatusNeverUpdated"),
    }
    assert [note.message for note in first.events] == ["Node node1 status is now: NodeNotReady"]
    (patch,) = look(n, p, at=41).patch
    assert [(t["key"], t["effect"]) for t in patch.patch["spec"]["taints"]] == [
        ("node.kubernetes.io/unreachable", "NoSchedule"),
        ("node.kubernetes.io/unreachable", "NoExecute"),
    ]
    n.spec.taints = [
        Taint(key=t["key"], effect=t["effect"], timeAdded=t["timeAdded"]) for t in patch.patch["spec"]["taints"]
    ]
    p.spec.tolerations = [Toleration(key="node.kubernetes.io/unreachable", operator="Exists", tolerationSeconds=300)]
    plan = look(n, p, at=41)
    p = applied(plan, [p], Pod)[0]
    assert [(c.type, c.status, c.reason) for c in p.status.conditions] == [("Ready", "False", "")]
    assert (plan.delete, plan.retry_after) == ((), 300)
    assert not look(n, p, at=42)
    due = look(n, p, at=341)
    assert due.delete == ()
    p = applied(due, [p], Pod)[0]
    target = p.status.conditions[-1]
    assert (target.type, target.status, target.reason) == ("DisruptionTarget", "True", "DeletionByTaintManager")
    assert target.message == "Taint manager: deleting due to NoExecute taint"
    assert [d.obj for d in look(n, p, at=341).delete] == [p]


def test_an_eviction_that_is_no_longer_due_is_cancelled_with_an_event() -> None:
    p = pod()
    pending = Observed(Instant(NOW - 1000), pending=["default/web-1"])
    lease = Lease(spec=LeaseSpec(renewTime=render_micro_time(NOW)))
    plan = reconcile(node(), lease, [p], observed=pending, times=Grace(40, 50), now=NOW)
    assert [(e.reason, e.message) for e in plan.events] == [
        ("TaintManagerEviction", "Cancelling deletion of Pod default/web-1")
    ]


def test_silence_from_before_we_watched_proves_nothing() -> None:
    assert not look(node(), at=500, renewed=0, since=480)


def test_a_node_created_before_a_clock_step_counts_by_its_lease_renewals() -> None:
    made = node()
    made.metadata.creationTimestamp = render_time(Instant(NOW + 86_400))
    assert not look(made, at=1000, renewed=990, since=0)


def test_a_renewal_in_the_future_is_of_a_clock_that_was_set_back_and_proves_nothing() -> None:
    assert not look(node(), at=1000, renewed=86_400, since=970)
    assert look(node(), at=1000, renewed=86_400, since=959).status


def test_a_node_that_is_back_loses_our_taints_and_keeps_those_of_others() -> None:
    ours = Taint(key="node.kubernetes.io/unreachable", effect="NoExecute", timeAdded=render_time(NOW))
    plan = look(node(taints=[ours, Taint(key="mine", effect="NoSchedule")]))
    assert plan.patch[0].patch["spec"]["taints"] == [{"key": "mine", "effect": "NoSchedule"}]


def test_a_node_that_has_not_reported_yet_gets_its_time() -> None:
    fresh = node()
    fresh.status.conditions = []
    assert not look(fresh, at=49)
    assert look(fresh, at=51).status


def test_not_ready_and_cordoned_nodes_are_tainted_as_such() -> None:
    (patch,) = look(node(ready="False", unschedulable=True)).patch
    assert [(t["key"], t["effect"]) for t in patch.patch["spec"]["taints"]] == [
        ("node.kubernetes.io/not-ready", "NoSchedule"),
        ("node.kubernetes.io/not-ready", "NoExecute"),
        ("node.kubernetes.io/unschedulable", "NoSchedule"),
    ]


def test_when_a_pod_must_leave_depends_on_its_shortest_toleration_of_each_taint() -> None:
    taint = Taint(key="k", effect="NoExecute", timeAdded=render_time(NOW))
    p = pod()
    assert eviction_time(p, [Taint(key="k", effect="NoSchedule")], {}, NOW) is None
    assert eviction_time(p, [taint], {}, Instant(NOW + 5)) == NOW + 5
    p.spec.tolerations = [Toleration(key="k", operator="Exists")]
    assert eviction_time(p, [taint], {}, NOW) is None
    p.spec.tolerations += [Toleration(key="k", operator="Exists", tolerationSeconds=s) for s in (60, 20)]
    assert eviction_time(p, [taint], {}, NOW) == NOW + 20


def test_a_taint_without_a_time_counts_from_when_it_was_first_seen() -> None:
    taint, other = Taint(key="k", effect="NoExecute"), Taint(key="other", effect="NoSchedule")
    seen = first_seen([taint, other], {}, NOW)
    assert seen == {("k", "NoExecute"): NOW}
    later = first_seen([taint], seen, Instant(NOW + 15))
    assert later == seen
    assert first_seen([], later, NOW) == {}, "a taint that comes back is another one"
    p = pod()
    p.spec.tolerations = [Toleration(key="k", operator="Exists", tolerationSeconds=20)]
    assert eviction_time(p, [taint], later, Instant(NOW + 15)) == NOW + 20


def test_seconds_of_a_pod_that_comes_to_a_tainted_node_count_from_its_coming() -> None:
    taint = Taint(key="k", effect="NoExecute", timeAdded=render_time(NOW))
    p = pod()
    p.spec.tolerations = [Toleration(key="k", operator="Exists", tolerationSeconds=20)]
    p.metadata.creationTimestamp = render_time(Instant(NOW + 100))
    assert eviction_time(p, [taint], {}, Instant(NOW + 101)) == NOW + 120
    bound = PodCondition(type="PodScheduled", status="True", lastTransitionTime=render_time(Instant(NOW + 130)))
    p.status.conditions = [bound]
    assert eviction_time(p, [taint], {}, Instant(NOW + 131)) == NOW + 150
    assert eviction_time(p, [Taint(key="k", effect="NoExecute")], {("k", "NoExecute"): NOW}, NOW) == NOW + 150


def test_a_toleration_matches_by_those_of_key_value_and_effect_that_it_has() -> None:
    taint = Taint(key="k", value="v", effect="NoSchedule")
    assert tolerates(Toleration(operator="Exists"), taint)
    assert tolerates(Toleration(key="k", value="v"), taint)
    assert not tolerates(Toleration(key="k", value="w"), taint)
    assert not tolerates(Toleration(key="k", operator="Exists", effect="NoExecute"), taint)
    assert not tolerates(Toleration(), taint)


def test_pods_of_a_missing_node_go_after_a_while_and_unbound_terminating_ones_at_once() -> None:
    assert not collect(pod(), None, grace_s=40, now=NOW)
    assert collect(pod(), NOW, grace_s=40, now=NOW).retry_after == 40.1
    lost, late = pod(), Instant(NOW + 41)
    (patch,) = collect(lost, NOW, grace_s=40, now=late).patch
    assert patch.patch["status"]["phase"] == "Failed"
    target = patch.patch["status"]["conditions"][-1]
    assert (target["type"], target["reason"]) == ("DisruptionTarget", "DeletionByPodGC")
    assert target["message"] == "PodGC: node no longer exists"
    lost.status.phase = "Failed"
    lost.status.conditions = [PodCondition(type="DisruptionTarget", status="True", reason="DeletionByPodGC")]
    (delete,) = collect(lost, NOW, grace_s=40, now=late).delete
    assert delete.grace_period_seconds == 0
    assert collect(pod(node="", terminating=True), None, grace_s=40, now=NOW).delete
    assert not collect(pod(node=""), None, grace_s=40, now=NOW)


def shop(*finalizers: str) -> Namespace:
    return Namespace(
        metadata=ObjectMeta(name="shop", deletionTimestamp=render_time(NOW)),
        spec=NamespaceSpec(finalizers=["kubernetes", *finalizers]),
    )


def conditions(plan: Plan) -> dict[str, tuple[str, str, str]]:
    (write,) = plan.status
    assert isinstance(write.obj, Namespace)
    return {c.type.removeprefix("Namespace"): (c.status, c.reason, c.message) for c in write.obj.status.conditions}


def test_of_a_namespace_pods_go_first_and_events_last() -> None:
    some = [ObjectMeta(name="x")]
    every = [Remains(EVENT, some), Remains(CONFIG_MAP, some), Remains(POD, some)]
    assert kinds_to_delete(every) == [POD]
    assert kinds_to_delete(every[:2]) == [CONFIG_MAP, EVENT]
    leaving = [ObjectMeta(name="x", deletionTimestamp=render_time(NOW))]
    assert kinds_to_delete([*every[:2], Remains(POD, leaving)]) == [], "everything else waits for the Pod"


def test_a_namespace_is_finalized_only_when_empty() -> None:
    (call,) = empty_namespace(shop(), [], [], now=NOW).call
    assert (call.method, call.path) == ("PUT", "/api/v1/namespaces/shop/finalize")
    stays = empty_namespace(shop("other/one"), [], [], now=NOW)
    assert not stays.call
    assert {status for status, _, _ in conditions(stays).values()} == {"False"}
    told = applied(stays, [shop("other/one")], Namespace)[0]
    assert empty_namespace(told, [], [], now=NOW).call
    alive = shop()
    alive.metadata.deletionTimestamp = None
    assert not empty_namespace(alive, [], [], now=NOW)


def test_the_conditions_of_a_terminating_namespace_have_upstreams_texts() -> None:
    stuck = [ObjectMeta(name="x", deletionTimestamp=render_time(NOW), finalizers=["a/b"])]
    remains = [Remains(CONFIG_MAP, stuck), Remains(DEPLOYMENT, stuck)]
    plan = empty_namespace(shop(), remains, [], now=NOW)
    assert conditions(plan) == {
        "DeletionDiscoveryFailure": ("False", "ResourcesDiscovered", "All resources successfully discovered"),
        "DeletionGroupVersionParsingFailure": (
            "False",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        "DeletionContentFailure": (
            "False",
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
        "ContentRemaining": (
            "True",
            "SomeResourcesRemain",
            "Some resources are remaining: configmaps. has 1 resource instances, "
            "deployments.apps has 1 resource instances",
        ),
        "FinalizersRemaining": (
            "True",
            "SomeFinalizersRemain",
            "Some content in the namespace has finalizers remaining: a/b in 2 resource instances",
        ),
    }
    told = applied(plan, [shop()], Namespace)[0]
    assert not empty_namespace(told, remains, [], now=Instant(NOW + 9)), "told once"
    later = empty_namespace(told, remains, ["no"], now=Instant(NOW + 9))
    found = applied(later, [told], Namespace)[0].status.conditions
    assert [c.type for c in found if c.lastTransitionTime == render_time(Instant(NOW + 9))] == [
        "NamespaceDeletionContentFailure"
    ]


def test_what_could_not_be_deleted_is_a_failure_of_the_namespaces_deletion() -> None:
    leaving = ObjectMeta(name="x", deletionTimestamp=render_time(NOW), deletionGracePeriodSeconds=30)
    pods, maps = [Remains(POD, [leaving])], [Remains(CONFIG_MAP, [ObjectMeta(name="x")])]

    def failure(remains: list[Remains], *failures: str, at: float) -> tuple[str, str, str]:
        plan = empty_namespace(shop(), remains, failures, now=Instant(NOW + at))
        assert plan.retry_after
        return conditions(plan)["DeletionContentFailure"]

    assert failure(pods, at=29)[0] == "False"
    text = "unexpected items still remain in namespace: shop for gvr: /v1, Resource=pods"
    assert failure(pods, at=30) == (
        "True",
        "ContentDeletionFailed",
        f"Failed to delete all resource types, 1 remaining: {text}",
    )
    text = "unexpected items still remain in namespace: shop for gvr: /v1, Resource=configmaps"
    assert failure(maps, "an error", at=0)[2] == f"Failed to delete all resource types, 2 remaining: an error, {text}"
    assert failure([], "no", at=0)[2] == "Failed to delete all resource types, 1 remaining: no"


def ranged(name: str, *cidrs: str) -> Node:
    made = node(name)
    made.spec.podCIDR, made.spec.podCIDRs = next(iter(cidrs), ""), list(cidrs)
    return made


RANGES = [(f"10.244.{i}.0/24", f"fd00:10:244:{i}::/64") for i in (1, 2, 3)]


def test_a_node_without_a_pod_range_gets_the_last_free_one_of_each_family() -> None:
    others = [ranged("node1", *RANGES[0]), ranged("foreign", RANGES[2][0])]
    (patch,) = give_range(node("m1"), others, RANGES).patch
    assert patch.patch["spec"] == {"podCIDR": "10.244.2.0/24", "podCIDRs": list(RANGES[1])}
    assert not give_range(ranged("m1", *RANGES[1]), others, RANGES)
    full = give_range(node("m1"), [*others, ranged("node2", *RANGES[1])], RANGES)
    assert [(e.reason, e.message) for e in full.events] == [
        ("CIDRNotAvailable", "Node m1 status is now: CIDRNotAvailable")
    ]


class RangedWorld(World):
    """A world with three ranges for pods."""

    settings: ClassVar[Mapping[str, Any]] = {"pod_ranges": lambda: RANGES}


def test_ranges_are_given_once_and_again_when_their_node_is_gone() -> None:
    async def ranges_of(world: World) -> dict[str, list[str]]:
        return {n.metadata.name: n.spec.podCIDRs for n in (await world.client.list(NODE)).items}

    async def story(world: RangedWorld) -> None:
        assert sorted(map(tuple, (await ranges_of(world)).values())) == RANGES
        await world.client.create(NODE, node("m4"))
        await asyncio.sleep(1)
        assert (await ranges_of(world))["m4"] == []
        freed = (await ranges_of(world))["node2"]
        await world.client.delete(NODE, "node2")
        await asyncio.sleep(1)
        assert (await ranges_of(world))["m4"] == freed

    run_story_with(RangedWorld, story)
