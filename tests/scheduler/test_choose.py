from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.api.core.node.kind import Node, Taint
from fairlead.api.core.pod.containers.container import Container, ContainerPort, ResourceRequirements
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.placement.affinity import (
    Affinity,
    NodeAffinity,
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    PodAffinity,
    PodAffinityTerm,
    PodAntiAffinity,
    PreferredSchedulingTerm,
    Toleration,
    TopologySpreadConstraint,
    WeightedPodAffinityTerm,
)
from fairlead.api.meta.types import LabelSelector, OwnerReference
from fairlead.scheduler.cache.podinfo import pod_info
from fairlead.scheduler.cache.snapshot import Snapshot
from fairlead.scheduler.plan import Chosen, choose
from tests.controllers.factories import APP, node, pod
from tests.scheduler.worlds import asking, chosen, refused, result_message, three, wanting, world

HOSTNAME = "kubernetes.io/hostname"


def test_three_replicas_land_on_three_nodes_however_loaded_those_are() -> None:
    snapshot = world(three(), **{f"other{i}": "node3" for i in range(9)})
    for key, placed in list(snapshot.nodes["node3"].pods.items()):
        placed.pod.metadata.labels = {"app": "other"}
        snapshot.put_pod(key, placed.pod, "node3")
    replica_set = OwnerReference(apiVersion="apps/v1", kind="ReplicaSet", name="web", uid="rs", controller=True)
    landed = []
    for i in range(3):
        p = wanting(f"web-{i}", owner=replica_set)
        landed.append(chosen(p, snapshot))
        snapshot.put_pod(f"default/web-{i}", p, landed[-1])
    assert sorted(landed) == ["node1", "node2", "node3"]


def test_pods_that_ask_for_more_than_is_left_fit_nowhere() -> None:
    snapshot = world([node("node1"), node("node2", taints=[Taint(key="k", effect="NoSchedule")]), node("node3")])
    assert refused(asking(cpu="3"), snapshot) == (
        "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu."
    )
    assert refused(asking(cpu="3", memory="5Gi"), snapshot) == (
        "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu, 2 Insufficient memory."
    )
    snapshot.put_pod("default/a", asking("a", cpu="1500m"), "node1")
    assert chosen(asking(cpu="600m"), snapshot) == "node3"


def test_without_nodes_there_is_nothing_to_count() -> None:
    assert refused(wanting(), Snapshot()) == "no nodes available to schedule pods"


def test_a_full_message_says_whether_preemption_would_help() -> None:
    snapshot = world([node(), node("node2", unschedulable=True)])
    snapshot.put_pod("default/a", asking("a", cpu="1500m"), "node1")
    assert result_message(asking(cpu="1"), snapshot) == (
        "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable. "
        "preemption: 0/2 nodes are available: "
        "1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling."
    )


def test_init_containers_count_by_their_greatest_and_pods_by_number() -> None:
    p = asking(cpu="500m")
    init = pod().spec.containers[0]
    init.resources.requests = {"cpu": "3"}
    p.spec.initContainers = [init]
    assert "Insufficient cpu" in refused(p, world([node()]))
    full = node()
    full.status.allocatable["pods"] = "1"
    assert refused(wanting(), world([full], a="node1")) == "0/1 nodes are available: 1 Too many pods."


def test_nodes_that_are_not_ready_or_tainted_take_only_what_tolerates() -> None:
    assert "untolerated taint" in refused(wanting(), world([node(ready="Unknown")]))
    tainted = [node("node1", taints=[Taint(key="k", value="v", effect="NoExecute")])]
    assert "untolerated taint" in refused(wanting(), world(tainted))
    assert chosen(wanting(tolerations=[Toleration(key="k", value="v")]), world(tainted)) == "node1"
    soft = [node("node1", taints=[Taint(key="k", effect="PreferNoSchedule")]), node("node2")]
    assert chosen(wanting(), world(soft, a="node2", b="node2")) == "node2"


def test_selectors_and_node_affinity_are_kept() -> None:
    nodes = [node("node1", labels={"disk": "ssd", "n": "5"}), node("node2", labels={"disk": "hdd"})]
    assert chosen(wanting(nodeSelector={"disk": "hdd"}), world(nodes)) == "node2"
    assert "didn't match Pod's node affinity/selector" in refused(wanting(nodeSelector={"disk": "x"}), world(nodes))

    def affine(key: str, operator: str, *values: str) -> Pod:
        term = NodeSelectorTerm(
            matchExpressions=[NodeSelectorRequirement(key=key, operator=operator, values=list(values))]
        )
        required = NodeSelector(nodeSelectorTerms=[term])
        return wanting(
            affinity=Affinity(nodeAffinity=NodeAffinity(requiredDuringSchedulingIgnoredDuringExecution=required))
        )

    assert chosen(affine("disk", "In", "hdd", "x"), world(nodes)) == "node2"
    assert chosen(affine("disk", "NotIn", "hdd"), world(nodes)) == "node1"
    assert chosen(affine("n", "Gt", "4"), world(nodes)) == "node1"
    assert chosen(affine("n", "DoesNotExist"), world(nodes)) == "node2"
    prefer = PreferredSchedulingTerm(
        weight=5,
        preference=NodeSelectorTerm(
            matchExpressions=[NodeSelectorRequirement(key="disk", operator="In", values=["hdd"])]
        ),
    )
    liking = NodeAffinity(preferredDuringSchedulingIgnoredDuringExecution=[prefer])
    assert chosen(wanting(affinity=Affinity(nodeAffinity=liking)), world(nodes, a="node2", b="node2")) == "node2"


def test_host_ports_are_given_once_a_node() -> None:
    def listening() -> Pod:
        p = wanting()
        p.spec.containers[0].ports[0].hostPort = 80
        return p

    snapshot = world([node("node1"), node("node2")])
    snapshot.put_pod("default/a", listening(), "node1")
    assert chosen(listening(), snapshot) == "node2"
    snapshot.put_pod("default/b", listening(), "node2")
    assert "didn't have free ports" in refused(listening(), snapshot)
    snapshot.remove_pod("default/a")
    assert chosen(listening(), snapshot) == "node1"


def test_host_ports_of_other_addresses_and_protocols_do_not_clash_and_those_of_sidecars_count() -> None:
    def listening(**port: Any) -> Pod:
        p = wanting()
        p.spec.containers[0].ports = [ContainerPort(containerPort=80, hostPort=80, **port)]
        return p

    snapshot = world([node("node1")])
    snapshot.put_pod("default/a", listening(hostIP="172.30.0.11"), "node1")
    assert chosen(listening(hostIP="172.30.0.12"), snapshot) == "node1"
    assert chosen(listening(protocol="UDP"), snapshot) == "node1"
    for same in ("", "0.0.0.0", "172.30.0.11"):
        assert "didn't have free ports" in refused(listening(hostIP=same), snapshot)
    sidecar = wanting()
    sidecar.spec.initContainers = [
        Container(name="s", restartPolicy="Always", ports=[ContainerPort(containerPort=81, hostPort=81)])
    ]
    snapshot.put_pod("default/b", sidecar, "node1")
    taken = wanting()
    taken.spec.containers[0].ports = [ContainerPort(containerPort=1, hostPort=81)]
    assert "didn't have free ports" in refused(taken, snapshot)


def test_anti_affinity_keeps_apart_both_ways_and_affinity_brings_together() -> None:
    term = PodAffinityTerm(topologyKey=HOSTNAME, labelSelector=LabelSelector(matchLabels=APP))
    apart = Affinity(podAntiAffinity=PodAntiAffinity(requiredDuringSchedulingIgnoredDuringExecution=[term]))
    together = Affinity(podAffinity=PodAffinity(requiredDuringSchedulingIgnoredDuringExecution=[term]))
    assert chosen(wanting(affinity=apart), world(three(), a="node1", b="node3")) == "node2"
    assert "anti-affinity rules" in refused(wanting(affinity=apart), world([node()], a="node1"))
    shy = world(three()[:1])
    shy.put_pod("default/shy", wanting("shy", affinity=apart), "node1")
    assert "existing pods anti-affinity" in refused(wanting(), shy)
    assert chosen(wanting(affinity=together), world(three(), a="node2")) == "node2"
    assert chosen(wanting(affinity=together), world(three())) == "node1"
    assert "pod affinity rules" in refused(wanting(labels={"app": "x"}, affinity=together), world(three()))


def test_topology_spread_holds_the_skew() -> None:
    def spread(when: str) -> Pod:
        constraint = TopologySpreadConstraint(
            maxSkew=1, topologyKey="zone", whenUnsatisfiable=when, labelSelector=LabelSelector(matchLabels=APP)
        )
        return wanting(topologySpreadConstraints=[constraint])

    nodes = [node("node1", labels={"zone": "a"}), node("node2", labels={"zone": "b"}, unschedulable=True)]
    snapshot = world([*nodes, node("node3")], x="node1")
    message = refused(spread("DoNotSchedule"), snapshot)
    assert "1 node(s) didn't match pod topology spread constraints," in message + ","
    assert "1 node(s) didn't match pod topology spread constraints (missing required label)" in message
    assert chosen(spread("ScheduleAnyway"), snapshot) in ("node1", "node3")


def zoned(name: str, zone: str, **fields: Any) -> Node:
    return node(name, labels={"zone": zone, "name": name}, **fields)


def test_what_a_spread_counts_follows_its_policies_and_keys() -> None:
    def spread(**more: Any) -> Pod:
        constraint = TopologySpreadConstraint(
            maxSkew=1,
            topologyKey="zone",
            whenUnsatisfiable="DoNotSchedule",
            labelSelector=LabelSelector(matchLabels=APP),
            **more,
        )
        return wanting(topologySpreadConstraints=[constraint])

    taint = Taint(key="k", effect="NoSchedule")
    nodes = [zoned("node1", "a"), zoned("node2", "b", taints=[taint])]
    full = world(nodes, x="node1")
    assert "pod topology spread constraints" in refused(spread(), full), "the tainted zone counts, with nothing in it"
    assert chosen(spread(nodeTaintsPolicy="Honor"), full) == "node1"
    elsewhere = spread(nodeTaintsPolicy="Honor", nodeAffinityPolicy="Ignore")
    elsewhere.spec.nodeSelector = {"name": "node1"}
    other = [zoned("node1", "a"), zoned("node2", "b")]
    assert "pod topology spread constraints" in refused(elsewhere, world(other, x="node1"))
    honoring = spread()
    honoring.spec.nodeSelector = {"name": "node1"}
    assert chosen(honoring, world(other, x="node1")) == "node1"
    assert "pod topology spread constraints" in refused(spread(minDomains=2), world(other[:1], x="node1"))
    assert chosen(spread(minDomains=1), world(other[:1], x="node1")) == "node1"
    old_version, new_version = spread(), spread(matchLabelKeys=["version"])
    old_version.metadata.labels = APP | {"version": "1"}
    new_version.metadata.labels = APP | {"version": "2"}
    snapshot = world([zoned("node1", "a"), zoned("node2", "b", unschedulable=True)])
    snapshot.put_pod("default/old", old_version, "node1")
    assert chosen(new_version, snapshot) == "node1", "pods of another version do not count"


def test_which_pods_an_affinity_term_means_follows_its_namespaces_and_keys() -> None:
    def near(**more: Any) -> Pod:
        term = PodAffinityTerm(topologyKey=HOSTNAME, labelSelector=LabelSelector(matchLabels={"db": "x"}), **more)
        affinity = Affinity(podAffinity=PodAffinity(requiredDuringSchedulingIgnoredDuringExecution=[term]))
        return wanting(affinity=affinity, labels={"version": "1"})

    def database(namespace: str, version: str) -> Pod:
        made = pod("db", labels={"db": "x", "version": version})
        made.metadata.namespace = namespace
        return made

    snapshot = world(three())
    snapshot.put_pod("other/db", database("other", "1"), "node2")
    snapshot.put_pod("default/db", database("default", "2"), "node3")
    snapshot.namespaces["other"] = {"team": "a"}
    assert chosen(near(), snapshot) == "node3"
    assert chosen(near(namespaces=["other"]), snapshot) == "node2"
    assert chosen(near(namespaceSelector=LabelSelector(matchLabels={"team": "a"})), snapshot) == "node2"
    assert "pod affinity rules" in refused(near(matchLabelKeys=["version"]), snapshot)
    assert chosen(near(mismatchLabelKeys=["version"]), snapshot) == "node3"


def test_a_preferred_neighbour_weighs_as_much_as_it_says() -> None:
    def liking(label: str, weight: int) -> WeightedPodAffinityTerm:
        selector = LabelSelector(matchLabels={"db": label})
        return WeightedPodAffinityTerm(
            weight=weight, podAffinityTerm=PodAffinityTerm(topologyKey=HOSTNAME, labelSelector=selector)
        )

    snapshot = world(three())
    for label, where in (("x", "node2"), ("y", "node3")):
        snapshot.put_pod(f"default/{label}", pod(label, labels={"db": label}), where)
    for weights, where in (((9, 5), "node2"), ((5, 9), "node3")):
        terms = [liking(label, weight) for label, weight in zip("xy", weights, strict=True)]
        near = Affinity(podAffinity=PodAffinity(preferredDuringSchedulingIgnoredDuringExecution=terms))
        assert chosen(wanting(affinity=near), snapshot) == where
        far = Affinity(podAntiAffinity=PodAntiAffinity(preferredDuringSchedulingIgnoredDuringExecution=terms))
        assert chosen(wanting(affinity=far), snapshot) == "node1"


def test_overhead_and_requests_of_the_whole_pod_are_counted() -> None:
    light = asking(cpu="1600m")
    light.spec.overhead = {"cpu": "500m"}
    nodes = [node("node1")]  # has two
    assert "Insufficient cpu" in refused(light, world(nodes))
    whole = asking(cpu="100m")
    whole.spec.resources = ResourceRequirements(requests={"cpu": "2500m"})
    assert "Insufficient cpu" in refused(whole, world(nodes))
    assert chosen(asking(cpu="1600m"), world(nodes)) == "node1"


def test_a_node_is_also_selected_by_its_name_as_a_field() -> None:
    term = NodeSelectorTerm(matchFields=[NodeSelectorRequirement(key="metadata.name", operator="In", values=["node2"])])
    required = NodeSelector(nodeSelectorTerms=[term])
    affinity = Affinity(nodeAffinity=NodeAffinity(requiredDuringSchedulingIgnoredDuringExecution=required))
    assert chosen(wanting(affinity=affinity), world(three())) == "node2"


def test_equal_nodes_are_left_to_the_dice() -> None:
    assert choose(pod_info(wanting()), world(three()), tie=lambda names: names[-1]) == Chosen("node3", examined=3)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 3)), max_size=40))
def test_sums_are_those_of_the_pods_there_after_any_history(moves: list[tuple[int, int]]) -> None:
    snapshot = world(three())
    for number, where in moves:
        if where:
            snapshot.put_pod(f"default/p{number}", asking(f"p{number}", cpu=f"{number}m"), f"node{where}")
        else:
            snapshot.remove_pod(f"default/p{number}")
    for view in snapshot.nodes.values():
        fresh: Counter[str] = Counter()
        for placed in view.pods.values():
            fresh.update(placed.requests)
        assert {k: v for k, v in view.used.items() if v} == {k: v for k, v in fresh.items() if v}
        assert all(snapshot.node_of(key) == view.node.metadata.name for key in view.pods)


def test_in_a_large_cluster_a_search_ends_when_enough_nodes_fit_and_the_next_goes_on_there() -> None:
    snapshot = world([node(f"n{i:03}", unschedulable=i < 20) for i in range(300)])
    first_search = choose(pod_info(wanting()), snapshot, tie=min)
    assert isinstance(first_search, Chosen)
    assert (first_search.node, first_search.examined) == ("n020", 20 + 300 * 48 // 100)
    second = choose(pod_info(wanting()), snapshot, tie=min, start=first_search.examined)
    assert isinstance(second, Chosen)
    assert second.node == "n020", "the search goes round: equal nodes are left to the tie"
    assert second.examined == 300 * 48 // 100 + 20
