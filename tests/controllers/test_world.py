"""Stories of the whole control plane over the fake API: what users do, and what must come of it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import msgspec
import pytest

from fairlead.api.apps.deployment.kind import DEPLOYMENT
from fairlead.api.coordination.lease.kind import LEASE
from fairlead.api.core.configmap.kind import CONFIG_MAP, ConfigMap
from fairlead.api.core.event.kind import EVENT
from fairlead.api.core.namespace.kind import NAMESPACE
from fairlead.api.core.node.kind import NODE
from fairlead.api.core.pod.kind import POD
from fairlead.api.core.pod.placement.affinity import Toleration
from fairlead.api.core.pod.spec import PodSchedulingGate
from fairlead.api.core.service.kind import SERVICE
from fairlead.api.core.serviceaccount.kind import SERVICE_ACCOUNT
from fairlead.api.discovery.endpointslice.kind import ENDPOINT_SLICE, EndpointSlice
from fairlead.api.kinds import KINDS
from fairlead.api.meta.types import ObjectMeta, OwnerReference
from fairlead.api.rbac.clusterrole.kind import CLUSTER_ROLE, ClusterRole
from fairlead.base.instant import render_time
from fairlead.base.keys import key_of
from fairlead.machinery.values.status import StatusError
from fairlead.runtime.fake import FakeClient
from tests.controllers.factories import deployment, pod, service
from tests.controllers.world import World, add_namespace, in_fake_world, in_world


async def events(world: World, reason: str) -> list[str]:
    return [e.message for e in (await world.client.list(EVENT)).items if e.reason == reason]


async def only_slice(world: World) -> EndpointSlice:
    found = (await world.client.list(ENDPOINT_SLICE, labels="kubernetes.io/service-name=web")).items
    only: list[EndpointSlice] = [s for s in found if s.metadata.labels["kubernetes.io/service-name"] == "web"]
    assert len(only) == 1
    return only[0]


async def set_image(world: World, image: str) -> None:
    template = {"spec": msgspec.to_builtins(deployment().spec.template.spec)}
    template["spec"]["containers"][0]["image"] = image
    await world.client.patch(DEPLOYMENT, "web", "default", patch={"spec": {"template": template}})


def test_a_namespace_is_emptied_and_goes() -> None:
    async def story(world: World) -> None:
        await add_namespace(world.client, "shop")
        for kind, obj in ((DEPLOYMENT, deployment()), (SERVICE, service())):
            obj.metadata.namespace = "shop"
            await world.client.create(kind, obj)
        await asyncio.sleep(1)
        assert len(await world.pods()) == 3
        await world.client.delete(NAMESPACE, "shop")
        await asyncio.sleep(20)
        assert "shop" not in [n.metadata.name for n in (await world.client.list(NAMESPACE)).items]
        assert await world.pods() == []
        assert (await world.client.list(SERVICE, "shop")).items == []

    in_world(story)


@pytest.mark.slow
def test_nothing_else_of_a_namespace_goes_while_a_pod_is_left() -> None:
    async def story(world: World) -> None:
        await add_namespace(world.client, "shop")
        d = deployment()
        d.metadata.namespace = "shop"
        d.spec.template.metadata.finalizers = ["example.com/held"]
        await world.client.create(DEPLOYMENT, d)
        held = ConfigMap(metadata=ObjectMeta(name="settings", namespace="shop"))
        await world.client.create(CONFIG_MAP, held)
        await asyncio.sleep(1)
        await world.client.delete(NAMESPACE, "shop")
        await asyncio.sleep(20)
        assert all(p.metadata.deletionTimestamp for p in await world.pods())
        [rs] = await world.sets()
        assert (rs.status.replicas, rs.status.readyReplicas, rs.status.terminatingReplicas) == (0, 0, 3)
        assert (await world.client.get(DEPLOYMENT, "web", "shop")).status.readyReplicas == 0
        assert (await world.client.get(CONFIG_MAP, "settings", "shop")).metadata.deletionTimestamp is None
        found = {c.type: c.status for c in (await world.client.get(NAMESPACE, "shop")).status.conditions}
        assert found["NamespaceDeletionContentFailure"] == "False"
        assert found["NamespaceFinalizersRemaining"] == "True"
        for p in await world.pods():
            await world.client.patch(POD, p.metadata.name, "shop", patch={"metadata": {"finalizers": None}})
        await asyncio.sleep(10)
        assert "shop" not in [n.metadata.name for n in (await world.client.list(NAMESPACE)).items]
        assert await events(world, "FailedCreate") == []

    in_world(story)


def test_a_circle_of_owners_goes_when_one_of_them_is_deleted_in_the_foreground() -> None:
    async def story(world: World) -> None:
        for both in (False, True):
            names = ("a", "b", "c")
            made = {
                n: await world.client.create(CONFIG_MAP, ConfigMap(metadata=ObjectMeta(name=n, namespace="default")))
                for n in names
            }
            for name, owner in zip(names, ("c", "a", "b"), strict=True):
                reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": owner, "uid": made[owner].metadata.uid}
                reference |= {"controller": True, "blockOwnerDeletion": True}
                patch = {"metadata": {"ownerReferences": [reference]}}
                await world.client.patch(CONFIG_MAP, name, "default", patch=patch)
            await asyncio.sleep(1)
            for name in names if both else names[:1]:
                await world.client.delete(CONFIG_MAP, name, "default", propagation="Foreground")
            await asyncio.sleep(2)
            left = {c.metadata.name for c in (await world.client.list(CONFIG_MAP, "default")).items}
            assert left & set(names) == set()

    in_world(story)


def test_only_an_owner_of_the_same_namespace_takes_its_dependents_along() -> None:
    async def story(world: World) -> None:
        owner = await world.client.create(CONFIG_MAP, ConfigMap(metadata=ObjectMeta(name="o", namespace="default")))
        ref = OwnerReference(apiVersion="v1", kind="ConfigMap", name="o", uid=owner.metadata.uid)
        await add_namespace(world.client, "other")

        async def names() -> set[str]:
            return {cm.metadata.name for cm in (await world.client.list(CONFIG_MAP)).items} & {"o", "own", "misled"}

        for name, namespace in (("own", "default"), ("misled", "other")):
            meta = ObjectMeta(name=name, namespace=namespace, ownerReferences=[ref])
            await world.client.create(CONFIG_MAP, ConfigMap(metadata=meta))
        await world.client.create(CLUSTER_ROLE, ClusterRole(metadata=ObjectMeta(name="r", ownerReferences=[ref])))
        await asyncio.sleep(5)
        assert await names() == {"o", "own"}, "in its namespace, the owner of misled does not exist"
        assert len(await events(world, "OwnerRefInvalidNamespace")) == 2
        await world.client.delete(CONFIG_MAP, "o", "default", propagation="Foreground")
        await asyncio.sleep(5)
        assert await names() == set()
        assert (await world.client.get(CLUSTER_ROLE, "r", "")).metadata.name == "r", "its reference cannot be resolved"

    in_world(story)


def test_every_namespace_has_its_account_and_the_authoritys_certificate() -> None:
    async def story(world: World) -> None:
        await world.client.delete(SERVICE_ACCOUNT, "default", "default")
        await world.client.patch(CONFIG_MAP, "kube-root-ca.crt", "default", patch={"data": {"ca.crt": "other"}})
        await asyncio.sleep(1)
        assert (await world.client.get(SERVICE_ACCOUNT, "default", "default")).metadata.name == "default"
        assert (await world.client.get(CONFIG_MAP, "kube-root-ca.crt", "default")).data == {"ca.crt": "PEM"}

    in_world(story)


def test_pods_of_a_silent_node_leave_the_endpoints_and_come_back_with_it() -> None:
    async def story(world: World) -> None:
        await world.client.create(SERVICE, service())
        d = deployment()
        d.spec.template.spec.tolerations = [Toleration(operator="Exists", effect="NoExecute", tolerationSeconds=300)]
        await world.client.create(DEPLOYMENT, d)
        await asyncio.sleep(5)
        world.silent.add("node1")
        await asyncio.sleep(60)
        found = await world.client.get(NODE, "node1")
        assert {c.status for c in found.status.conditions if c.type == "Ready"} == {"Unknown"}
        assert {(t.key, t.effect) for t in found.spec.taints} == {
            ("node.kubernetes.io/unreachable", "NoSchedule"),
            ("node.kubernetes.io/unreachable", "NoExecute"),
        }
        found_slice = await only_slice(world)
        assert sorted(e.nodeName or "" for e in found_slice.endpoints if e.conditions.ready) == ["node2", "node3"]
        await asyncio.sleep(320)
        assert Counter(p.spec.nodeName for p in await world.pods() if not p.metadata.deletionTimestamp)["node1"] == 0
        world.silent.clear()
        heard = {"type": "Ready", "status": "True", "lastHeartbeatTime": render_time(world.clock.now())}
        status = {"conditions": [heard]}
        await world.client.patch(NODE, "node1", patch={"status": status}, subresource="status")
        await asyncio.sleep(1)
        assert (await world.client.get(NODE, "node1")).spec.taints == []

    in_world(story)


def test_a_taint_given_by_hand_evicts_a_pod_when_its_toleration_has_run_out() -> None:
    async def story(world: World) -> None:
        tolerant = pod("tolerant", node="node1", ip="", phase="Pending", ready=False)
        tolerant.spec.tolerations = [
            Toleration(key="k", operator="Exists", effect="NoExecute", tolerationSeconds=seconds)
            for seconds in (30, 20)
        ]
        tolerant.metadata.resourceVersion = ""
        await world.client.create(POD, tolerant)
        await asyncio.sleep(5)
        taint = {"key": "k", "value": "v", "effect": "NoExecute"}
        await world.client.patch(NODE, "node1", patch={"spec": {"taints": [taint]}})
        await asyncio.sleep(15)  # the loop's clock jumps; heartbeats and changes of the node come meanwhile
        await world.client.patch(NODE, "node1", patch={"metadata": {"labels": {"a": "b"}}})
        assert [p.metadata.name for p in await world.pods()] == ["tolerant"]
        await asyncio.sleep(6)
        assert await world.pods() == []

    in_world(story)


def test_pods_of_a_node_that_is_gone_are_removed() -> None:
    async def story(world: World) -> None:
        await world.client.create(DEPLOYMENT, deployment())
        await asyncio.sleep(1)
        world.silent.add("node1")
        await world.client.delete(NODE, "node1")
        await asyncio.sleep(60)
        assert "node1" not in {p.spec.nodeName for p in await world.pods()}
        assert len(await world.pods()) == 3
        told = [e for e in (await world.client.list(EVENT)).items if e.involvedObject.kind == "Node"]
        of_node1 = [(e.reason, e.message) for e in told if e.involvedObject.name == "node1"]
        assert of_node1 == [
            ("RegisteredNode", "Node node1 event: Registered Node node1 in Controller"),
            ("RemovingNode", "Node node1 event: Removing Node node1 from Controller"),
        ]

    in_world(story)


def test_an_unschedulable_pod_has_the_reason_and_is_scheduled_when_a_node_is_added() -> None:
    async def story(world: World) -> None:
        wanting = pod("big", node="", ip="", phase="Pending", ready=False)
        wanting.spec.containers[0].resources.requests = {"cpu": "3"}
        wanting.status.conditions = []
        wanting.metadata.resourceVersion = ""
        await world.client.create(POD, wanting)
        await asyncio.sleep(1)
        (found,) = await world.pods()
        message = (
            "0/1 nodes are available: 1 Insufficient cpu. "
            "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
        )
        assert [(c.type, c.status, c.reason, c.message) for c in found.status.conditions] == [
            ("PodScheduled", "False", "Unschedulable", message)
        ]
        assert await events(world, "FailedScheduling") == [message]
        await world.client.patch(NODE, "node1", patch={"status": {"allocatable": {"cpu": "4"}}}, subresource="status")
        await asyncio.sleep(1)
        assert (await world.pods())[0].spec.nodeName == "node1"

    in_world(story, nodes=1)


def test_a_pod_waits_for_another_scheduler_or_for_its_gates() -> None:
    async def story(world: World) -> None:
        for name in ("foreign", "gated"):
            made = pod(name, node="", ip="", phase="Pending", ready=False)
            made.status.conditions, made.metadata.resourceVersion = [], ""
            if name == "foreign":
                made.spec.schedulerName = "another"
            else:
                made.spec.schedulingGates = [PodSchedulingGate(name="example.com/later")]
            await world.client.create(POD, made)
        await asyncio.sleep(1)
        assert {p.spec.nodeName for p in await world.pods()} == {""}
        await world.client.patch(POD, "gated", "default", patch={"spec": {"schedulingGates": None}})
        await asyncio.sleep(1)
        assert {p.metadata.name: bool(p.spec.nodeName) for p in await world.pods()} == {"foreign": False, "gated": True}

    in_world(story)


@pytest.mark.slow
def test_an_outage_of_hours_and_a_forgotten_history_are_survived() -> None:
    async def story(world: World) -> None:
        fake = world.client
        await fake.create(DEPLOYMENT, deployment())
        await asyncio.sleep(1)
        fake.interrupt(down=True)  # type: ignore[attr-defined]
        await asyncio.sleep(7200)
        fake.interrupt(down=False)  # type: ignore[attr-defined]
        await fake.patch(DEPLOYMENT, "web", "default", patch={"spec": {"replicas": 6}})
        fake.compact()  # type: ignore[attr-defined]
        await asyncio.sleep(30)
        assert len([p for p in await world.pods() if not p.metadata.deletionTimestamp]) == 6
        assert [n.spec.taints for n in (await fake.list(NODE)).items] == [[], [], []]

    in_fake_world(story)


def test_a_server_that_fails_every_fourth_write_only_costs_time() -> None:
    async def story(world: World) -> None:
        fake = world.client
        assert isinstance(fake, FakeClient)
        dice = random.Random(11)

        def refuse(verb: str, path: str) -> StatusError | None:
            fails = "leases" not in path and "/status" not in path and dice.random() < 0.25
            return StatusError(500, "InternalError", "the dice say no") if fails else None

        await fake.create(SERVICE, service())
        await fake.create(DEPLOYMENT, deployment())
        fake.refuse = refuse
        await asyncio.sleep(120)
        fake.refuse = lambda verb, path: None
        await set_image(world, "nginx:1.15")
        fake.refuse = refuse
        await asyncio.sleep(300)
        fake.refuse = lambda verb, path: None
        pods = await world.pods(app="web")
        assert Counter(p.spec.containers[0].image for p in pods) == {"nginx:1.15": 3}
        assert Counter(p.spec.nodeName for p in pods) == {"node1": 1, "node2": 1, "node3": 1}
        found = await only_slice(world)
        assert sorted(e.addresses[0] for e in found.endpoints) == sorted(p.status.podIP for p in pods)

    in_fake_world(story)


def test_an_idle_control_plane_writes_nothing_but_heartbeats() -> None:
    async def revisions(world: World) -> dict[str, str]:
        found = {}
        for kind in KINDS:
            if kind is not LEASE and "list" in kind.verbs:
                for obj in (await world.client.list(kind)).items:
                    found[f"{kind.plural} {key_of(obj.metadata)}"] = obj.metadata.resourceVersion
        return found

    async def story(world: World) -> None:
        await world.client.create(SERVICE, service())
        await world.client.create(SERVICE, service("bare", clusterIP="None", ports=[]))
        await world.client.create(SERVICE, service("empty", clusterIP="", selector={"app": "nobody"}))
        await world.client.create(DEPLOYMENT, deployment())
        await world.client.create(CONFIG_MAP, ConfigMap(metadata=ObjectMeta(name="x", namespace="default")))
        await asyncio.sleep(60)
        before = await revisions(world)
        await asyncio.sleep(600)
        assert await revisions(world) == before

    in_world(story)


def test_an_annotation_of_a_service_costs_no_write_and_its_labels_reach_the_slice() -> None:
    async def story(world: World) -> None:
        await world.client.create(SERVICE, service())
        await asyncio.sleep(0.5)
        before = (await only_slice(world)).metadata.resourceVersion
        await world.client.patch(SERVICE, "web", "default", patch={"metadata": {"annotations": {"a": "b"}}})
        await asyncio.sleep(0.5)
        assert (await only_slice(world)).metadata.resourceVersion == before
        await world.client.patch(SERVICE, "web", "default", patch={"metadata": {"labels": {"a": "b"}}})
        await asyncio.sleep(0.5)
        assert (await only_slice(world)).metadata.labels["a"] == "b"

    in_world(story)


def test_slices_follow_the_zones_of_nodes_and_leave_hand_written_ones_alone() -> None:
    async def story(world: World) -> None:
        by_hand = EndpointSlice(
            metadata=ObjectMeta(
                name="mine", namespace="default", labels={"kubernetes.io/service-name": "web", "x": "y"}
            ),
            addressType="IPv4",
        )
        await world.client.create(ENDPOINT_SLICE, by_hand)
        await world.client.create(SERVICE, service(trafficDistribution="PreferSameZone"))
        await world.client.create(DEPLOYMENT, deployment())
        await asyncio.sleep(2)
        await world.client.patch(NODE, "node1", patch={"metadata": {"labels": {"topology.kubernetes.io/zone": "east"}}})
        await asyncio.sleep(0.5)
        found = (await world.client.list(ENDPOINT_SLICE, labels="kubernetes.io/service-name=web")).items
        ours = [s for s in found if s.metadata.name != "mine"]
        zones = {(e.nodeName, e.zone, bool(e.hints)) for s in ours for e in s.endpoints}
        assert zones == {("node1", "east", True), ("node2", None, False), ("node3", None, False)}
        await world.client.delete(SERVICE, "web", "default")
        await asyncio.sleep(1)
        left = (await world.client.list(ENDPOINT_SLICE, labels="kubernetes.io/service-name=web")).items
        assert [s.metadata.name for s in left if "x" in s.metadata.labels] == ["mine"]
        assert len([s for s in left if s.metadata.labels.get("kubernetes.io/service-name") == "web"]) == 1

    in_world(story)
