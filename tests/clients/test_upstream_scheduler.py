"""Random worlds: upstream's scheduler binds a pod to a node that ours finds feasible, or gives the same reasons.

The path of the program is in FAIRLEAD_TEST_KUBE_SCHEDULER (1.36).
"""

from __future__ import annotations

import json
import os
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kubernetes import client, watch

from fairlead.api.core.node.kind import Node
from fairlead.api.core.pod.kind import Pod
from fairlead.scheduler.cache.podinfo import PodInfo, pod_info
from fairlead.scheduler.cache.snapshot import Snapshot
from fairlead.scheduler.explain import with_preemption
from fairlead.scheduler.plan import Unschedulable, choose, rejection_of
from fairlead.scheduler.plugins import PLUGINS
from fairlead.scheduler.preemption.plan import NoPreemption, preempt
from tests.scheduler.random_worlds import Dice, Tree

from .apiserver import Served
from .test_upstream_components import running

PROGRAM = "FAIRLEAD_TEST_KUBE_SCHEDULER"
_SPACES = ("one", "two")
_CLAIMS = "no new claims to deallocate, "
"""Part of each message of upstream's since 1.34, about dynamic resource allocation, which ours does not have."""
_NODES, _PLACED, _PENDING = 4, 6, 12


class Cluster:
    """The nodes and pods of one world, in the API."""

    def __init__(self, api: Any) -> None:
        self.core: Any = client.CoreV1Api(api)  # takes objects as dictionaries too, which its types do not say

    def namespaces(self) -> None:
        for name in _SPACES:
            meta = {"name": name, "labels": {"team": name}}
            self.core.create_namespace({"metadata": meta})
            self.core.create_namespaced_service_account(name, {"metadata": {"name": "default"}})

    def clear(self) -> None:
        for name in _SPACES:
            for pod in self.core.list_namespaced_pod(name).items:
                self.core.delete_namespaced_pod(pod.metadata.name, name, grace_period_seconds=0)
        for node in self.core.list_node().items:
            self.core.delete_node(node.metadata.name)

    def add_node(self, tree: Tree) -> None:
        self.core.create_node(tree)
        self.core.patch_node_status(tree["metadata"]["name"], {"status": tree["status"]})

    def add_pod(self, tree: Tree) -> None:
        self.core.create_namespaced_pod(tree["metadata"]["namespace"], tree)

    def decided(self, name: str, namespace: str) -> Any:
        """Waits until the pod is bound, or its condition says why not; returns it."""
        stream = watch.Watch().stream(
            self.core.list_namespaced_pod, namespace, field_selector=f"metadata.name={name}", timeout_seconds=120
        )
        with closing(stream) as events:
            for event in events:
                pod = event["object"]
                if any(c.type == "PodScheduled" for c in pod.status.conditions or []):
                    return pod
        raise AssertionError(f"{name} was not decided about")

    def raw(self, listing: Any) -> list[bytes]:
        """Returns the items of a list as JSON."""
        answer = json.loads(listing(_preload_content=False).data)
        return [json.dumps(item).encode() for item in answer["items"]]


def snapshot_of(cluster: Cluster, name: str) -> tuple[Snapshot, PodInfo]:
    """Returns our view of the API's objects, and the pod of that name, which is not part of it."""
    snapshot, wanted = Snapshot(), None
    for space in _SPACES:
        snapshot.namespaces[space] = {"team": space, "kubernetes.io/metadata.name": space}
    for body in cluster.raw(cluster.core.list_node):
        snapshot.put_node(msgspec.json.decode(body, type=Node))
    for body in cluster.raw(cluster.core.list_pod_for_all_namespaces):
        pod = msgspec.json.decode(body, type=Pod)
        if pod.metadata.name == name:
            wanted = pod
        elif pod.spec.nodeName:
            snapshot.put_pod(f"{pod.metadata.namespace}/{pod.metadata.name}", pod, pod.spec.nodeName)
    assert wanted is not None
    wanted.spec.nodeName = ""
    return snapshot, pod_info(wanted)


def our_message(info: PodInfo, snapshot: Snapshot) -> str:
    result = choose(info, snapshot, tie=min)
    if not isinstance(result, Unschedulable):
        return f"chosen: {result.node}"
    outcome = preempt(info, snapshot, result, ())
    assert isinstance(outcome, NoPreemption)
    return with_preemption(result.message, outcome.message)


def wait_until_seen(cluster: Cluster, number: int) -> None:
    """Adds a node, and waits until upstream's scheduler uses it: then it has seen all nodes before."""
    name = f"probe{number}"
    ready = {"type": "Ready", "status": "True"}
    cluster.add_node({"metadata": {"name": name, "labels": {"probe": name}}, "status": {"conditions": [ready]}})
    amounts = {"cpu": "1", "pods": "1"}
    cluster.core.patch_node_status(name, {"status": {"capacity": amounts, "allocatable": amounts}})
    container = {"name": "c", "image": "example.com/x:1"}
    spec = {"containers": [container], "nodeSelector": {"probe": name}, "automountServiceAccountToken": False}
    cluster.add_pod({"metadata": {"name": name, "namespace": "one", "labels": {"app": "probe"}}, "spec": spec})
    stream = watch.Watch().stream(
        cluster.core.list_namespaced_pod, "one", field_selector=f"metadata.name={name}", timeout_seconds=120
    )
    with closing(stream) as events:
        assert any(event["object"].spec.node_name for event in events)
    cluster.core.delete_namespaced_pod(name, "one", grace_period_seconds=0)


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get(PROGRAM), reason=f"programs are not given: {PROGRAM}")
def test_upstreams_scheduler_and_ours_find_the_same_nodes_feasible(
    served: Served, api: client.ApiClient, tmp_path: Path
) -> None:
    program = os.environ[PROGRAM]
    cluster = Cluster(api)
    cluster.namespaces()
    bound = refused = 0
    with running(program, served, tmp_path):
        for seed in range(int(os.environ.get("FAIRLEAD_TEST_WORLDS", "8"))):
            dice = Dice(seed)
            cluster.clear()
            for number in range(_NODES):
                cluster.add_node(dice.node(f"n{number}"))
            wait_until_seen(cluster, seed)
            for number in range(_PLACED):
                tree = dice.pod(f"placed{number}", dice.one(*_SPACES))
                tree["spec"]["nodeName"] = f"n{dice.rng.randrange(_NODES)}"
                cluster.add_pod(tree)
            for number in range(_PENDING):
                name, space = f"p{number}", dice.one(*_SPACES)
                tree = dice.pod(name, space)
                cluster.add_pod(tree)
                pod = cluster.decided(name, space)
                snapshot, info = snapshot_of(cluster, name)
                where = f"seed {seed}, pod {number}: {json.dumps(tree)}"
                if pod.spec.node_name:
                    rejection = rejection_of(info, snapshot, pod.spec.node_name, PLUGINS)
                    assert rejection is None, where
                    bound += 1
                else:
                    (condition,) = [c for c in pod.status.conditions if c.type == "PodScheduled"]
                    assert our_message(info, snapshot) == condition.message.replace(_CLAIMS, ""), where
                    cluster.core.delete_namespaced_pod(name, space, grace_period_seconds=0)
                    refused += 1
        cluster.clear()
    assert bound > 10, (bound, refused)
    assert refused > 10, (bound, refused)
