"""Tests of the writes of a reset and of a restored snapshot."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import msgspec
import pytest

from fairlead.base.clock import FakeClock
from fairlead.cmd.cluster.config import ClusterConfig
from fairlead.cmd.wiring.snapshots import plan
from fairlead.cmd.wiring.snapshots.initial import initial_objects
from fairlead.store.model import Delete, Operation, Put
from tests.apiserver.harness import settings

Tree = dict[str, Any]
ROOT = "/registry/"
NODE = f"{ROOT}minions/node1"
DNS = f"{ROOT}deployments/kube-system/fairlead-dns"


def obj(name: str, **parts: Any) -> Tree:
    meta = {"name": name, "uid": f"uid-of-{name}"} | parts.pop("metadata", {})
    return {"metadata": meta} | parts


def encoded(objects: dict[str, Tree]) -> dict[str, bytes]:
    return {key: msgspec.json.encode(tree) for key, tree in objects.items()}


def applied(current: dict[str, bytes], operations: list[Operation]) -> dict[str, bytes]:
    after = dict(current)
    for operation in operations:
        match operation:
            case Put(key, value):
                after[key] = value
            case Delete(key):
                del after[key]
    return after


@pytest.fixture(scope="module")
def base() -> dict[str, bytes]:
    made = initial_objects(
        settings(),
        ClusterConfig("test"),
        clock=FakeClock(),
        rng=random.Random(1),
        outside="172.30.0.1:53",
        start="1",
    )
    return dict(asyncio.run(made))


def running(base: dict[str, bytes]) -> dict[str, bytes]:
    """Returns the objects of a cluster that has just started."""
    dns = msgspec.json.decode(base[DNS])["metadata"]["uid"]
    owner = {"kind": "Deployment", "uid": dns, "controller": True}
    replicas = {"kind": "ReplicaSet", "uid": "uid-of-dns-1", "controller": True}
    return base | encoded(
        {
            NODE: obj("node1", spec={"podCIDR": "10.244.1.0/24"}, metadata={"labels": {"kubernetes.io/os": "linux"}}),
            f"{ROOT}leases/kube-node-lease/node1": obj("node1"),
            f"{ROOT}replicasets/kube-system/dns-1": obj("dns-1", metadata={"ownerReferences": [owner]}),
            f"{ROOT}pods/kube-system/dns-1-x": obj("dns-1-x", metadata={"ownerReferences": [replicas]}),
            f"{ROOT}services/endpoints/kube-system/kube-dns": obj("kube-dns"),
        }
    )


def test_a_cluster_that_has_just_started_is_not_changed(base: dict[str, bytes]) -> None:
    assert plan.reset(running(base), base) == []


def test_base_objects_have_roles_dns_flow_control_and_the_objects_of_each_namespace(base: dict[str, bytes]) -> None:
    for key in (
        DNS,
        "clusterroles/cluster-admin",
        "flowschemas/catch-all",
        "services/specs/default/kubernetes",
        "serviceaccounts/default/default",
        "configmaps/kube-public/kube-root-ca.crt",
        "configmaps/kube-system/kube-proxy",
    ):
        assert ROOT + key.removeprefix(ROOT) in base


@pytest.mark.parametrize(
    "key",
    [
        "namespaces/mine",
        "pods/default/web",
        "services/specs/default/web",
        "services/endpoints/default/web",
        "events/kube-system/start",
        "leases/default/leader",
        "leases/kube-node-lease/gone",
        "example.com/widgets/default/w",
        "apiextensions.k8s.io/customresourcedefinitions/widgets.example.com",
        "secrets/kube-system/token",
        "clusterroles/mine",
    ],
)
def test_a_reset_deletes_what_was_added(base: dict[str, bytes], key: str) -> None:
    current = running(base) | encoded({ROOT + key: obj(key.rpartition("/")[2])})
    assert plan.reset(current, base) == [Delete(ROOT + key)]


def test_a_reset_deletes_what_only_names_a_base_object_as_its_owner_without_being_controlled(
    base: dict[str, bytes],
) -> None:
    dns = msgspec.json.decode(base[DNS])["metadata"]["uid"]
    pod = obj("p", metadata={"ownerReferences": [{"kind": "Deployment", "uid": dns}]})
    current = running(base) | encoded({f"{ROOT}pods/default/p": pod})
    assert plan.reset(current, base) == [Delete(f"{ROOT}pods/default/p")]


@pytest.mark.parametrize("key", [DNS, f"{ROOT}clusterroles/view", f"{ROOT}serviceaccounts/default/default"])
def test_a_reset_creates_a_missing_base_object(base: dict[str, bytes], key: str) -> None:
    current = running(base)
    del current[key]
    assert Put(key, base[key]) in plan.reset(current, base)


def test_a_reset_renews_a_changed_base_object_and_leaves_its_identity_and_status(base: dict[str, bytes]) -> None:
    current = running(base)
    tree = msgspec.json.decode(current[DNS])
    tree["metadata"] |= {"generation": 7, "labels": {"mine": "x"}, "uid": "its-own"}
    tree["spec"]["replicas"] = 3
    tree["status"] = {"replicas": 3}
    current[DNS] = msgspec.json.encode(tree)
    changed = [o for o in plan.reset(current, base) if o.key == DNS]
    assert len(changed) == 1
    assert isinstance(changed[0], Put)
    after = msgspec.json.decode(changed[0].value)
    assert after["spec"] == msgspec.json.decode(base[DNS])["spec"]
    assert after["metadata"]["labels"] == {"k8s-app": "kube-dns"}
    assert (after["metadata"]["uid"], after["metadata"]["generation"], after["status"]) == (
        "its-own",
        8,
        {"replicas": 3},
    )


def test_annotations_and_rules_that_controllers_write_are_not_changes(base: dict[str, bytes]) -> None:
    current = running(base)
    tree = msgspec.json.decode(current[DNS])
    tree["metadata"]["annotations"] = {"deployment.kubernetes.io/revision": "1"}
    tree["metadata"]["resourceVersion"] = "12"
    admin = f"{ROOT}clusterroles/admin"
    role = msgspec.json.decode(current[admin])
    role["rules"] = [{"verbs": ["get"], "resources": ["widgets"], "apiGroups": ["example.com"]}]
    current |= encoded({DNS: tree, admin: role})
    assert plan.reset(current, base) == []


def test_a_reset_takes_labels_taints_and_cordons_off_nodes(base: dict[str, bytes]) -> None:
    current = running(base)
    node = msgspec.json.decode(current[NODE])
    clean = current[NODE]
    node["metadata"]["labels"] |= {"disk": "ssd", "node-role.kubernetes.io/worker": ""}
    node["metadata"]["annotations"] = {"a": "b"}
    node["spec"] |= {
        "unschedulable": True,
        "taints": [
            {"key": "a", "effect": "NoSchedule"},
            {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"},
        ],
    }
    current[NODE] = msgspec.json.encode(node)
    after = msgspec.json.decode(applied(current, plan.reset(current, base))[NODE])
    assert after["metadata"]["annotations"] == {}
    del after["metadata"]["annotations"]
    assert after == msgspec.json.decode(clean)


def test_a_taint_that_says_how_a_node_is_stays(base: dict[str, bytes]) -> None:
    current = running(base)
    node = msgspec.json.decode(current[NODE])
    node["spec"]["taints"] = [{"key": "node.kubernetes.io/not-ready", "effect": "NoExecute"}]
    current[NODE] = msgspec.json.encode(node)
    assert plan.reset(current, base) == []


def test_restoring_gives_back_every_object_but_the_nodes_present_state(base: dict[str, bytes]) -> None:
    saved = running(base) | encoded(
        {f"{ROOT}namespaces/mine": obj("mine"), f"{ROOT}configmaps/mine/a": obj("a", data={"x": "1"})}
    )
    node = msgspec.json.decode(saved[NODE])
    saved[NODE] = msgspec.json.encode(node | {"status": {"old": True}, "spec": node["spec"] | {"unschedulable": True}})
    now = running(base) | encoded({NODE: node | {"status": {"new": True}}, f"{ROOT}configmaps/default/b": obj("b")})
    fresh = applied(now, plan.reset(now, base))
    after = applied(fresh, plan.restore(fresh, saved, base))
    assert {k: v for k, v in after.items() if k != NODE} == {k: v for k, v in saved.items() if k != NODE}
    restored = msgspec.json.decode(after[NODE])
    assert (restored["status"], restored["spec"]["unschedulable"]) == ({"new": True}, True)
    assert plan.restore(after, saved, base) == []


def test_a_restored_pod_is_not_ready_until_it_runs_again(base: dict[str, bytes]) -> None:
    key = f"{ROOT}pods/default/web"
    status = {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "PodScheduled", "status": "True"}],
        "containerStatuses": [{"name": "web", "ready": True, "started": True, "restartCount": 1}],
    }
    saved = running(base) | encoded({key: obj("web", status=status)})
    after = msgspec.json.decode(applied(running(base), plan.restore(running(base), saved, base))[key])["status"]
    assert after["conditions"] == [{"type": "Ready", "status": "False"}, {"type": "PodScheduled", "status": "True"}]
    assert after["containerStatuses"] == [{"name": "web", "ready": False, "started": False, "restartCount": 1}]


def test_a_pod_of_cluster_dns_that_runs_goes_on_and_another_is_replaced(base: dict[str, bytes]) -> None:
    key = f"{ROOT}pods/kube-system/dns-1-x"
    saved = running(base)
    same = saved | {key: msgspec.json.encode(msgspec.json.decode(saved[key]) | {"status": {"podIP": "10.244.1.9"}})}
    assert plan.restore(same, saved, base) == []
    other = {k: v for k, v in saved.items() if k != key} | {f"{key}2": saved[key]}
    assert {o.key for o in plan.restore(other, saved, base)} == {key, f"{key}2"}


def test_a_node_that_the_cluster_has_no_longer_is_not_restored(base: dict[str, bytes]) -> None:
    saved = running(base) | encoded({f"{ROOT}minions/node2": obj("node2", spec={})})
    assert plan.restore(running(base), saved, base) == []
