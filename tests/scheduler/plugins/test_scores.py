"""Scores of single plug-ins, by upstream's formulas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from fairlead.api.core.node.kind import ContainerImage, Node, Taint
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.placement.affinity import TopologySpreadConstraint
from fairlead.api.core.service.kind import SERVICE
from fairlead.api.meta.types import LabelSelector, OwnerReference
from fairlead.scheduler.cache.podinfo import pod_info
from fairlead.scheduler.cache.snapshot import Snapshot
from fairlead.scheduler.framework import Cycle, Plugin
from fairlead.scheduler.plugins import (
    balancedallocation,
    imagelocality,
    noderesourcesfit,
    podtopologyspread,
    tainttoleration,
)
from tests.controllers.factories import APP, node, service
from tests.scheduler.worlds import asking, three, wanting, world

REPLICA_SET = OwnerReference(apiVersion="apps/v1", kind="ReplicaSet", name="web", uid="rs", controller=True)
JOB = OwnerReference(apiVersion="batch/v1", kind="Job", name="web", uid="job", controller=True)
ZONE = "topology.kubernetes.io/zone"
MB = 1024 * 1024


def scores(plugin: Plugin, pod: Pod, snapshot: Snapshot) -> Mapping[str, int]:
    cycle = plugin.prepare(pod_info(pod), snapshot)
    if cycle is None:
        return {}
    assert isinstance(cycle, Cycle)
    assert cycle.score is not None
    nodes = list(snapshot.nodes.values())
    return dict(zip((n.name for n in nodes), cycle.score(nodes), strict=False))


def sized(name: str, cpu: str, memory: str, **fields: Any) -> Node:
    made = node(name, **fields)
    made.status.allocatable = {"cpu": cpu, "memory": memory, "pods": "110"}
    return made


def test_the_emptier_node_is_better() -> None:
    snapshot = world([sized("a", "4", "4Gi"), sized("b", "4", "4Gi")])
    snapshot.put_pod("default/x", asking("x", cpu="2", memory="1Gi"), "b")
    new = asking(cpu="1", memory="1Gi")
    assert scores(noderesourcesfit.PLUGIN, new, snapshot) == {"a": (75 + 75) // 2, "b": (25 + 50) // 2}


def test_a_pod_that_brings_cpu_and_memory_together_scores_above_75() -> None:
    snapshot = world([sized("level", "4", "4Gi"), sized("skewed", "4", "4Gi")])
    snapshot.put_pod("default/x", asking("x", cpu="2"), "skewed")
    found = scores(balancedallocation.PLUGIN, asking(memory="2Gi"), snapshot)
    assert (found["level"], found["skewed"]) == (62, 87)
    assert scores(balancedallocation.PLUGIN, wanting(), snapshot) == {}


def test_fewer_untolerated_soft_taints_are_better() -> None:
    taints = [Taint(key=key, effect="PreferNoSchedule") for key in "ab"]
    nodes = [node("none"), node("one", taints=taints[:1]), node("two", taints=taints)]
    found = scores(tainttoleration.PLUGIN, wanting(), world(nodes))
    assert found == {"none": 100, "one": 50, "two": 0}


def test_a_node_with_the_image_is_better_by_its_size_and_its_share_of_nodes() -> None:
    nodes = three()
    nodes[0].status.images = [ContainerImage(names=["nginx:1.14", "other"], sizeBytes=600 * MB)]
    nodes[1].status.images = [ContainerImage(names=["nginx:1.14"], sizeBytes=60 * MB)]
    found = scores(imagelocality.PLUGIN, wanting(), world(nodes))
    assert found == {"node1": 100 * (400 - 23) // (1000 - 23), "node2": 100 * (40 - 23) // (1000 - 23), "node3": 0}


@pytest.mark.parametrize(("zoned", "expected"), [(False, (50, 100, 100)), (True, (66, 88, 100))])
def test_pods_without_constraints_are_spread_over_nodes_and_zones(zoned: bool, expected: tuple[int, ...]) -> None:
    zones = ("a", "a", "b") if zoned else ("", "", "")
    labels = [{"kubernetes.io/hostname": f"node{i}"} | ({ZONE: z} if z else {}) for i, z in enumerate(zones, 1)]
    nodes = [node(f"node{i}", labels=one) for i, one in enumerate(labels, 1)]
    snapshot = world(nodes)
    snapshot.put_pod("default/x", wanting("x", owner=REPLICA_SET), "node1")
    found = scores(podtopologyspread.PLUGIN, wanting(owner=REPLICA_SET), snapshot)
    assert tuple(found.values()) == expected


def test_a_pod_without_a_set_is_spread_among_the_pods_that_its_services_select() -> None:
    nodes = [node(f"node{i}", labels={"kubernetes.io/hostname": f"node{i}"}) for i in (1, 2)]
    snapshot = world(nodes)
    snapshot.put_pod("default/x", wanting("x", labels={**APP, "tier": "front"}), "node1")
    plain, job = wanting(labels={**APP, "tier": "back"}), wanting(labels=dict(APP), owner=JOB)
    for new in (plain, job):
        assert podtopologyspread.PLUGIN.kinds(new) == (SERVICE,)
        assert scores(podtopologyspread.PLUGIN, new, snapshot) == {}, "there is no Service"
    web, tier, elsewhere, other = (service(name) for name in ("web", "tier", "elsewhere", "other"))
    elsewhere.metadata.namespace, other.spec.selector, tier.spec.selector = "elsewhere", {"app": "x"}, {"tier": "back"}
    snapshot.share(SERVICE, {"a": other, "b": elsewhere})
    assert scores(podtopologyspread.PLUGIN, plain, snapshot) == {}, "no Service selects the pod"
    snapshot.share(SERVICE, {"a": web})
    for new in (plain, job):
        assert scores(podtopologyspread.PLUGIN, new, snapshot) == {"node1": 66, "node2": 100}
    snapshot.share(SERVICE, {"a": web, "b": tier})
    assert scores(podtopologyspread.PLUGIN, plain, snapshot) == {}, "the labels of both Services count"


def test_services_are_read_only_for_pods_that_they_spread() -> None:
    constraint = TopologySpreadConstraint(maxSkew=1, topologyKey=ZONE, whenUnsatisfiable="ScheduleAnyway")
    daemon = wanting(owner=OwnerReference(apiVersion="apps/v1", kind="DaemonSet", name="d", uid="d", controller=True))
    for pod in (
        daemon,
        wanting(owner=REPLICA_SET),
        wanting(labels={}),
        wanting(topologySpreadConstraints=[constraint]),
    ):
        assert podtopologyspread.PLUGIN.kinds(pod) == ()


def test_a_node_without_the_label_of_a_soft_constraint_scores_nothing() -> None:
    constraint = TopologySpreadConstraint(
        maxSkew=1, topologyKey=ZONE, whenUnsatisfiable="ScheduleAnyway", labelSelector=LabelSelector(matchLabels=APP)
    )
    nodes = [node("a", labels={ZONE: "a"}), node("b", labels={ZONE: "b"}), node("none")]
    pod = wanting(topologySpreadConstraints=[constraint])
    assert scores(podtopologyspread.PLUGIN, pod, world(nodes, x="a", y="none")) == {"a": 0, "b": 100, "none": 0}
