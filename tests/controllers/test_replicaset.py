from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.api.apps.replicaset.kind import REPLICA_SET, ReplicaSet
from fairlead.api.core.pod.containers.containerstatus import ContainerStatus
from fairlead.api.core.pod.kind import Pod
from fairlead.base.instant import Instant
from fairlead.controllers.ownership import controller_reference
from fairlead.controllers.workloads.ranking import pods_to_delete
from fairlead.controllers.workloads.replicaset.plan import Failure, reconcile
from fairlead.runtime.plan import Plan
from tests.controllers.applying import applied
from tests.controllers.factories import NOW, pod, replica_set


def owned(rs: ReplicaSet, name: str, **fields: object) -> Pod:
    owner = controller_reference(REPLICA_SET.api_version, REPLICA_SET.kind, rs.metadata)
    return pod(name, owner=owner, **fields)  # type: ignore[arg-type]


def look(rs: ReplicaSet, pods: list[Pod], *, failure: Failure | None = None, now: Instant = NOW) -> Plan:
    return reconcile(rs, pods, pods, failure=failure, now=now)


def test_missing_pods_are_created_from_the_template_with_events() -> None:
    plan = look(replica_set(), [])
    assert len(plan.create) == 3
    made = plan.create[0].obj
    assert (made.metadata.generateName, made.metadata.labels) == ("web-abc-", {"app": "web"})
    assert made.metadata.ownerReferences[0].uid == "uid-web-abc"
    note = plan.create[0].done
    assert note is not None
    assert (note.reason, note.message) == ("SuccessfulCreate", "Created pod: {name}")


def test_the_pods_that_cost_least_go_first() -> None:
    rs = replica_set()
    restarted = owned(rs, "restarted")
    restarted.status.containerStatuses = [ContainerStatus(name="web", restartCount=5)]
    expected = [
        owned(rs, "unassigned", node="", phase="Pending", ready=False),
        owned(rs, "pending", phase="Pending", ready=False),
        owned(rs, "not-ready", ready=False),
        owned(rs, "cheap", annotations={"controller.kubernetes.io/pod-deletion-cost": "-5"}),
        owned(rs, "crowded-1", node="node2", since=Instant(NOW - 500)),
        owned(rs, "crowded-2", node="node2", since=Instant(NOW - 600)),
        owned(rs, "young", node="node3", since=Instant(NOW - 10)),
        restarted,
        owned(rs, "old", node="node4", since=Instant(NOW - 1000)),
    ]
    restarted.spec.nodeName = "node5"
    restarted.status.conditions = owned(rs, "x", since=Instant(NOW - 999)).status.conditions
    crowd = [*expected, *(owned(rs, f"extra-{i}", node="node2") for i in range(3))]
    for order in itertools.islice(itertools.permutations(expected), 0, 50_000, 9_000):
        assert [p.metadata.name for p in pods_to_delete(order, 9, related=crowd)] == [p.metadata.name for p in expected]


def test_pods_that_match_and_are_free_are_adopted_and_those_that_no_longer_match_released() -> None:
    rs = replica_set(replicas=1)
    plan = look(rs, [pod("free"), owned(rs, "relabelled", labels={"app": "other"})])
    patches = {p.name: p.patch["metadata"]["ownerReferences"] for p in plan.patch}
    assert patches["free"][0]["uid"] == rs.metadata.uid
    assert patches["relabelled"] == []
    assert not plan.create


def test_terminating_and_finished_pods_are_replaced() -> None:
    rs = replica_set(replicas=2)
    plan = look(rs, [owned(rs, "a", terminating=True), owned(rs, "b", phase="Failed")])
    assert len(plan.create) == 2
    assert plan.status == ()
    [refused] = plan.status_if_refused
    assert isinstance(refused.obj, ReplicaSet)
    assert (refused.obj.status.replicas, refused.obj.status.terminatingReplicas) == (0, 1)


def test_a_pod_counts_as_available_only_after_its_time() -> None:
    rs = replica_set(replicas=1, minReadySeconds=30)
    pods = [owned(rs, "a")]
    plan = look(rs, pods, now=Instant(NOW + 10))
    assert isinstance(plan.status[0].obj, ReplicaSet)
    assert plan.status[0].obj.status.availableReplicas == 0
    assert plan.retry_after == 20
    later = look(rs, pods, now=Instant(NOW + 30)).status[0].obj
    assert isinstance(later, ReplicaSet)
    assert later.status.availableReplicas == 1


def test_a_failure_is_a_condition_until_it_is_over() -> None:
    rs = replica_set(replicas=1)
    failed = look(rs, [], failure=Failure("FailedCreate", "quota")).status[0].obj
    assert isinstance(failed, ReplicaSet)
    assert [(c.type, c.reason, c.message) for c in failed.status.conditions] == [
        ("ReplicaFailure", "FailedCreate", "quota")
    ]
    well = look(failed, [owned(rs, "a")]).status[0].obj
    assert isinstance(well, ReplicaSet)
    assert well.status.conditions == []


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 8),
    st.lists(st.tuples(st.booleans(), st.booleans(), st.sampled_from(["", "node1", "node2"])), max_size=12),
)
def test_reconciling_converges_on_the_requested_number(replicas: int, seeds: list[tuple[bool, bool, str]]) -> None:
    rs = replica_set(replicas=replicas)
    pods = [owned(rs, f"p{i}", ready=r, terminating=t, node=n) for i, (r, t, n) in enumerate(seeds)]
    for _ in range(3):
        plan = look(rs, pods)
        pods = applied(plan, pods, Pod)
        rs = applied(plan, [rs], ReplicaSet)[0]
    assert not look(rs, pods)
    assert not look(rs, pods[::-1])
    assert rs.status.replicas == replicas
