"""The plug-ins about volumes: VolumeBinding, VolumeRestrictions, VolumeZone and NodeVolumeLimits."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import msgspec

from fairlead.api.core.node.kind import Node
from fairlead.api.core.persistentvolume import PERSISTENT_VOLUME
from fairlead.api.core.persistentvolume.sources import CSIPersistentVolumeSource
from fairlead.api.core.persistentvolume.types import PersistentVolume, VolumeNodeAffinity
from fairlead.api.core.persistentvolumeclaim import PERSISTENT_VOLUME_CLAIM
from fairlead.api.core.persistentvolumeclaim.kind import PersistentVolumeClaim
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.placement.affinity import NodeSelector, NodeSelectorRequirement, NodeSelectorTerm
from fairlead.api.core.pod.volumes.volume import EphemeralVolumeSource, PersistentVolumeClaimVolumeSource, Volume
from fairlead.api.core.topology.types import TopologySelectorLabelRequirement, TopologySelectorTerm
from fairlead.api.meta.types import ObjectMeta
from fairlead.api.storage.csinode import CSI_NODE
from fairlead.api.storage.csinode.kind import CSINode, CSINodeDriver, CSINodeSpec, VolumeNodeResources
from fairlead.api.storage.storageclass import STORAGE_CLASS
from fairlead.api.storage.storageclass.kind import StorageClass
from fairlead.base.clock import FakeClock
from fairlead.base.ids import RandomIds
from fairlead.runtime.fake import FakeClient
from fairlead.scheduler.cache.podinfo import pod_info
from fairlead.scheduler.cache.snapshot import Snapshot
from fairlead.scheduler.framework import Change
from fairlead.scheduler.plan import Chosen, choose
from fairlead.scheduler.plugins.volumebinding import helps
from fairlead.scheduler.volumes.reservation import VolumeReservation
from fairlead.storage.wellknown import BIND_COMPLETED, SELECTED_NODE
from tests.controllers.factories import node
from tests.controllers.test_binding import claim, storage_class, volume
from tests.scheduler.worlds import chosen, first, refused, result_message, wanting

ZONE = "topology.kubernetes.io/zone"
DELAYED = storage_class("slow", mode="WaitForFirstConsumer")
BY_HAND = storage_class("hand", mode="WaitForFirstConsumer", provisioner="kubernetes.io/no-provisioner")


def claiming(*names: str, pod_name: str = "new") -> Pod:
    made = wanting(pod_name)
    made.spec.volumes = [
        Volume(name=f"v{i}", persistentVolumeClaim=PersistentVolumeClaimVolumeSource(claimName=name))
        for i, name in enumerate(names)
    ]
    return made


def bound(name: str = "data", to: str = "disk", **fields: Any) -> PersistentVolumeClaim:
    return claim(name, phase="Bound", volumeName=to, annotations={BIND_COMPLETED: "yes"}, **fields)


def nodes() -> list[Node]:
    made = []
    for i in (1, 2, 3):
        one = node(f"node{i}")
        one.metadata.labels = {"kubernetes.io/hostname": f"node{i}", ZONE: f"zone{i}"}
        made.append(one)
    return made


def cluster(*objects: Any, on: Sequence[Node] | None = None) -> Snapshot:
    snapshot = Snapshot()
    for one in nodes() if on is None else on:
        snapshot.put_node(one)
    by_kind = (
        (PERSISTENT_VOLUME, PersistentVolume),
        (STORAGE_CLASS, StorageClass),
        (CSI_NODE, CSINode),
    )
    for kind, type in by_kind:
        snapshot.share(kind, {o.metadata.name: o for o in objects if isinstance(o, type)})
    claims = [o for o in objects if isinstance(o, PersistentVolumeClaim)]
    snapshot.share(PERSISTENT_VOLUME_CLAIM, {f"default/{o.metadata.name}": o for o in claims})
    return snapshot


def only_on(name: str) -> VolumeNodeAffinity:
    need = NodeSelectorRequirement(key="kubernetes.io/hostname", operator="In", values=[name])
    return VolumeNodeAffinity(required=NodeSelector(nodeSelectorTerms=[NodeSelectorTerm(matchExpressions=[need])]))


def test_a_pod_with_a_missing_claim_is_unschedulable_and_names_the_claim() -> None:
    why = (
        '0/3 nodes are available: persistentvolumeclaim "data" not found. '
        "preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
    )
    assert result_message(claiming("data"), cluster()) == why
    assert chosen(claiming("data"), cluster(bound(), volume())) in ("node1", "node2", "node3")
    assert refused(claiming("data"), cluster(on=())) == "no nodes available to schedule pods"


def test_an_ephemeral_volume_waits_for_its_own_claim() -> None:
    pod = wanting()
    pod.spec.volumes = [Volume(name="v", ephemeral=EphemeralVolumeSource())]
    text = 'waiting for ephemeral volume controller to create the persistentvolumeclaim "new-v"'
    assert text in refused(pod, cluster())
    text = "PVC default/new-v was not created for pod default/new (pod is not owner)"
    assert text in refused(pod, cluster(bound("new-v")))


def test_claims_that_must_be_bound_first_keep_a_pod_waiting() -> None:
    text = "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims."
    assert refused(claiming("data"), cluster(claim())) == text
    assert refused(claiming("data"), cluster(claim(storage_class="slow", volumeName="disk"), DELAYED)) == text


def test_a_claim_that_is_lost_or_being_deleted_keeps_a_pod_away() -> None:
    lost = bound()
    lost.status.phase = "Lost"
    text = 'persistentvolumeclaim "data" bound to non-existent persistentvolume "disk"'
    assert text in refused(claiming("data"), cluster(lost))
    going = bound()
    going.metadata.deletionTimestamp = "2026-01-01T00:00:00Z"
    assert 'persistentvolumeclaim "data" is being deleted' in refused(claiming("data"), cluster(going, volume()))


def test_a_pod_follows_its_volume_to_the_node_that_reaches_it() -> None:
    assert chosen(claiming("data"), cluster(bound(), volume(nodeAffinity=only_on("node2")))) == "node2"
    text = "0/3 nodes are available: 3 node(s) didn't match PersistentVolume's node affinity."
    assert refused(claiming("data"), cluster(bound(), volume(nodeAffinity=only_on("node9")))) == text
    text = "3 node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"
    assert text in refused(claiming("data"), cluster(bound()))


def test_two_volumes_on_different_nodes_leave_no_node() -> None:
    disks = [volume("a", nodeAffinity=only_on("node1")), volume("b", nodeAffinity=only_on("node2"))]
    claims = [bound("x", "a"), bound("y", "b")]
    assert "3 node(s) didn't match" in refused(claiming("x", "y"), cluster(*claims, *disks))


def test_a_delayed_claim_gets_the_smallest_volume_that_its_node_reaches() -> None:
    disks = [
        volume("near", storage_class="hand", size="9Gi", nodeAffinity=only_on("node3")),
        volume("small", storage_class="hand", size="5Gi", nodeAffinity=only_on("node3")),
        volume("other", storage_class="fast", nodeAffinity=only_on("node1")),
    ]
    snapshot = cluster(claim(storage_class="hand"), BY_HAND, *disks)
    result = choose(pod_info(claiming("data")), snapshot, tie=first)
    assert isinstance(result, Chosen)
    assert result.node == "node3"
    [reserve] = result.reserve
    reservation = reserve(snapshot.nodes["node3"])
    assert isinstance(reservation, VolumeReservation)
    assert [v.metadata.name for v, _ in reservation.bindings] == ["small"]


def test_a_volume_that_is_about_to_be_bound_is_not_given_to_another_claim() -> None:
    disks = [volume("a", storage_class="hand", nodeAffinity=only_on("node1"))]
    claims = [claim("x", storage_class="hand"), claim("y", storage_class="hand")]
    snapshot = cluster(*claims, BY_HAND, *disks)
    result = choose(pod_info(claiming("x")), snapshot, tie=first)
    assert isinstance(result, Chosen)
    reservation = result.reserve[0](snapshot.nodes["node1"])
    text = "0/3 nodes are available: 3 node(s) didn't find available persistent volumes to bind."
    assert refused(claiming("y"), snapshot) == text
    assert chosen(claiming("x"), snapshot) == "node1"
    reservation.release()
    assert chosen(claiming("y"), snapshot) == "node1"


def test_two_claims_of_one_pod_get_two_volumes() -> None:
    claims = [claim("x", storage_class="hand"), claim("y", storage_class="hand")]
    one = volume("a", storage_class="hand", nodeAffinity=only_on("node1"))
    assert "didn't find available persistent volumes" in refused(claiming("x", "y"), cluster(*claims, BY_HAND, one))
    two = volume("b", storage_class="hand", nodeAffinity=only_on("node1"))
    assert chosen(claiming("x", "y"), cluster(*claims, BY_HAND, one, two)) == "node1"


def test_a_delayed_claim_is_provisioned_on_a_node_of_its_classs_topology() -> None:
    need = TopologySelectorLabelRequirement(key=ZONE, values=["zone2"])
    zoned = msgspec.structs.replace(DELAYED, allowedTopologies=[TopologySelectorTerm(matchLabelExpressions=[need])])
    snapshot = cluster(claim(storage_class="slow"), zoned)
    result = choose(pod_info(claiming("data")), snapshot, tie=first)
    assert isinstance(result, Chosen)
    assert result.node == "node2"
    reservation = result.reserve[0](snapshot.nodes["node2"])
    assert isinstance(reservation, VolumeReservation)
    assert [c.metadata.name for c in reservation.provisions] == ["data"]


def test_a_claim_whose_node_is_selected_takes_its_next_pod_there() -> None:
    selected = claim(storage_class="slow", annotations={SELECTED_NODE: "node2"})
    assert chosen(claiming("data"), cluster(selected, DELAYED)) == "node2"


def test_a_claim_for_one_pod_is_not_used_by_a_second_pod_anywhere() -> None:
    snapshot = cluster(bound(modes=("ReadWriteOncePod",)), volume())
    snapshot.put_pod("default/first", claiming("data", pod_name="first"), "node1")
    text = (
        "0/3 nodes are available: 3 node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode "
        "already in-use by another pod."
    )
    assert refused(claiming("data"), snapshot) == text
    snapshot.remove_pod("default/first")
    assert chosen(claiming("data"), snapshot)


def test_a_volume_of_a_zone_is_used_in_that_zone() -> None:
    snapshot = cluster(bound(), volume(labels={ZONE: "zone2__zone9"}))
    assert chosen(claiming("data"), snapshot) == "node2"
    old = {"failure-domain.beta.kubernetes.io/zone": "zone3"}
    assert chosen(claiming("data"), cluster(bound(), volume(labels=old))) == "node3"
    text = "0/3 nodes are available: 3 node(s) had no available volume zone."
    assert refused(claiming("data"), cluster(bound(), volume(labels={ZONE: "elsewhere"}))) == text
    bare = [node("node1")]
    bare[0].metadata.labels = {}
    assert chosen(claiming("data"), cluster(bound(), volume(labels={ZONE: "elsewhere"}), on=bare)) == "node1"


def disk_of(driver: str, name: str) -> PersistentVolume:
    made = volume(name)
    made.spec.hostPath = None
    made.spec.csi = CSIPersistentVolumeSource(driver=driver, volumeHandle=name)
    return made


def test_a_node_takes_as_many_volumes_of_a_driver_as_it_says() -> None:
    drivers = [CSINodeDriver(name="d.io", nodeID="1", allocatable=VolumeNodeResources(count=1))]
    limits = [CSINode(metadata=ObjectMeta(name=f"node{i}"), spec=CSINodeSpec(drivers=drivers)) for i in (1, 2, 3)]
    disks = [disk_of("d.io", "a"), disk_of("d.io", "b")]
    snapshot = cluster(bound("x", "a"), bound("y", "b"), *disks, *limits)
    assert chosen(claiming("x"), snapshot)
    for i in (1, 2, 3):
        snapshot.put_pod(f"default/p{i}", claiming("x", pod_name=f"p{i}"), f"node{i}")
    assert chosen(claiming("x"), snapshot)
    text = "0/3 nodes are available: 3 node(s) exceed max volume count."
    assert refused(claiming("y"), snapshot) == text


def test_a_change_of_a_pods_claim_wakes_the_pod_and_that_of_another_does_not() -> None:
    pod = claiming("data")
    assert helps(pod, Change(PERSISTENT_VOLUME_CLAIM, claim(), bound()))
    assert not helps(pod, Change(PERSISTENT_VOLUME_CLAIM, claim("other"), bound("other")))
    assert helps(pod, Change(PERSISTENT_VOLUME, None, volume()))


def test_a_reservation_writes_its_choice_and_ends_when_the_claims_are_bound() -> None:
    async def story() -> None:
        client = FakeClient(clock=FakeClock(), ids=RandomIds(random.Random(1)))
        disk = await client.create(PERSISTENT_VOLUME, volume())
        static = await client.create(PERSISTENT_VOLUME_CLAIM, claim("x"))
        dynamic = await client.create(PERSISTENT_VOLUME_CLAIM, claim("y"))
        reserved: dict[str, str] = {}
        reservation = VolumeReservation("node1", ((disk, static),), (dynamic,), reserved)
        assert reserved == {"disk": "default/x"}
        binding = asyncio.ensure_future(reservation.bind(client))
        while SELECTED_NODE not in dynamic.metadata.annotations:
            await asyncio.sleep(0)
            dynamic = await client.get(PERSISTENT_VOLUME_CLAIM, "y", "default")
        assert dynamic.metadata.annotations == {SELECTED_NODE: "node1"}
        disk = await client.get(PERSISTENT_VOLUME, "disk")
        assert disk.spec.claimRef is not None
        assert disk.spec.claimRef.uid == static.metadata.uid
        for name in ("x", "y"):
            assert not binding.done()
            patch = {"metadata": {"annotations": {BIND_COMPLETED: "yes"}}, "spec": {"volumeName": "v"}}
            await client.patch(PERSISTENT_VOLUME_CLAIM, name, "default", patch=patch)
        await binding
        assert reserved == {}

    asyncio.run(story())


def test_a_reservation_fails_if_the_provisioner_gives_up_or_the_claim_goes() -> None:
    async def story(patch: dict[str, Any] | None, why: str) -> None:
        client = FakeClient(clock=FakeClock(), ids=RandomIds(random.Random(1)))
        made = await client.create(PERSISTENT_VOLUME_CLAIM, claim())
        binding = asyncio.ensure_future(VolumeReservation("node1", (), (made,), {}).bind(client))
        while SELECTED_NODE not in made.metadata.annotations:
            await asyncio.sleep(0)
            made = await client.get(PERSISTENT_VOLUME_CLAIM, "data", "default")
        if patch is None:
            await client.delete(PERSISTENT_VOLUME_CLAIM, "data", "default")
        else:
            await client.patch(PERSISTENT_VOLUME_CLAIM, "data", "default", patch=patch)
        [error] = await asyncio.gather(binding, return_exceptions=True)
        assert why in str(error)

    asyncio.run(story({"metadata": {"annotations": {SELECTED_NODE: None}}}, "provisioning failed"))
    asyncio.run(story(None, "the claim was deleted"))
