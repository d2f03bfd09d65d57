"""The StatefulSet controller: its plans alone, and stories of a whole cluster in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.api.apps.controllerrevision import CONTROLLER_REVISION
from fairlead.api.apps.controllerrevision.kind import ControllerRevision
from fairlead.api.apps.statefulset import STATEFUL_SET
from fairlead.api.apps.statefulset.kind import (
    RollingUpdateStatefulSetStrategy,
    StatefulSet,
    StatefulSetOrdinals,
    StatefulSetPersistentVolumeClaimRetentionPolicy,
    StatefulSetSpec,
    StatefulSetUpdateStrategy,
)
from fairlead.api.core.persistentvolumeclaim import PERSISTENT_VOLUME_CLAIM
from fairlead.api.core.persistentvolumeclaim.kind import PersistentVolumeClaim
from fairlead.api.core.pod.actions import Binding
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.core.pod.volumes.claim import PersistentVolumeClaimSpec, VolumeResourceRequirements
from fairlead.api.core.service.kind import SERVICE
from fairlead.api.discovery.endpointslice.kind import ENDPOINT_SLICE
from fairlead.api.meta.reference import ObjectReference
from fairlead.api.meta.types import LabelSelector, ObjectMeta, OwnerReference
from fairlead.base.instant import Instant, render_time
from fairlead.controllers.workloads.statefulset.plan import reconcile
from fairlead.runtime.plan import Plan
from tests.controllers.applying import applied
from tests.controllers.factories import APP, NOW, service, template
from tests.controllers.world import World, in_fake_world, in_world


def stateful_set(image: str = "nginx:1.14", *, replicas: int = 3, partition: int = 0, **spec: Any) -> StatefulSet:
    rolling = RollingUpdateStatefulSetStrategy(partition=partition)
    fields: dict[str, Any] = {
        "selector": LabelSelector(matchLabels=APP),
        "template": template(image),
        "replicas": replicas,
        "serviceName": "db",
        "podManagementPolicy": "OrderedReady",
        "updateStrategy": StatefulSetUpdateStrategy(type="RollingUpdate", rollingUpdate=rolling),
        "revisionHistoryLimit": 10,
        **spec,
    }
    meta = ObjectMeta(name="web", namespace="default", uid="uid-web", generation=1, resourceVersion="1")
    return StatefulSet(kind="StatefulSet", apiVersion="apps/v1", metadata=meta, spec=StatefulSetSpec(**fields))


def claim_template(name: str = "data") -> PersistentVolumeClaim:
    return PersistentVolumeClaim(
        kind="PersistentVolumeClaim",
        apiVersion="v1",
        metadata=ObjectMeta(name=name),
        spec=PersistentVolumeClaimSpec(
            accessModes=["ReadWriteOnce"], resources=VolumeResourceRequirements(requests={"storage": "1Gi"})
        ),
    )


def retention(*, deleted: str = "Retain", scaled: str = "Retain") -> StatefulSetPersistentVolumeClaimRetentionPolicy:
    return StatefulSetPersistentVolumeClaimRetentionPolicy(whenDeleted=deleted, whenScaled=scaled)


class Bench:
    """A set with its objects in lists; `step` applies one plan, and kubelets run the new pods."""

    def __init__(self, s: StatefulSet) -> None:
        self.s = s
        self.pods: list[Pod] = []
        self.revisions: list[ControllerRevision] = []
        self.claims: list[PersistentVolumeClaim] = []
        self.broken: set[str] = set()
        self.now = NOW
        self.log: list[str] = []

    def plan(self) -> Plan:
        claims = {claim.metadata.name: claim for claim in self.claims}
        return reconcile(self.s, self.pods, self.revisions, claims, now=self.now)

    def step(self) -> Plan:
        plan = self.plan()
        self.log += [f"+{create.obj.metadata.name}" for create in plan.create if create.kind is not CONTROLLER_REVISION]
        self.log += [f"-{delete.obj.metadata.name}" for delete in plan.delete]
        self.pods = [self.run(pod) for pod in applied(plan, self.pods, Pod)]
        self.revisions = applied(plan, self.revisions, ControllerRevision)
        self.claims = applied(plan, self.claims, PersistentVolumeClaim)
        (self.s,) = applied(plan, [self.s], StatefulSet)
        return plan

    def run(self, pod: Pod) -> Pod:
        if pod.status.phase:
            return pod
        ready = "False" if pod.spec.containers[0].image in self.broken else "True"
        condition = {"type": "Ready", "status": ready, "lastTransitionTime": render_time(self.now)}
        tree = msgspec.to_builtins(pod) | {"status": {"phase": "Running", "conditions": [condition]}}
        return msgspec.convert(tree, Pod)

    def settle(self) -> list[str]:
        """Returns the pods and claims created and deleted until the set comes to rest."""
        self.log = []
        for _ in range(100):
            if not self.step():
                return self.log
        raise AssertionError("the set does not come to rest")

    def change(self, **spec: Any) -> None:
        meta = msgspec.structs.replace(self.s.metadata, generation=self.s.metadata.generation + 1)
        self.s = msgspec.structs.replace(self.s, metadata=meta, spec=msgspec.structs.replace(self.s.spec, **spec))

    def images(self) -> dict[str, str]:
        return {pod.metadata.name: pod.spec.containers[0].image.partition(":")[2] for pod in self.pods}

    def pod(self, name: str) -> Pod:
        return next(pod for pod in self.pods if pod.metadata.name == name)

    def owners(self) -> dict[str, list[str]]:
        return {claim.metadata.name: [ref.kind for ref in claim.metadata.ownerReferences] for claim in self.claims}


def settled(s: StatefulSet) -> Bench:
    bench = Bench(s)
    bench.settle()
    return bench


def test_pods_start_in_order_with_stable_names() -> None:
    bench = Bench(stateful_set())
    assert bench.settle() == ["+web-0", "+web-1", "+web-2"]
    first = bench.pods[0]
    (revision,) = bench.revisions
    assert (first.spec.hostname, first.spec.subdomain) == ("web-0", "db")
    assert revision.metadata.labels == {"app": "web", "controller.kubernetes.io/hash": revision.metadata.name[4:]}
    assert first.metadata.labels == {
        "app": "web",
        "statefulset.kubernetes.io/pod-name": "web-0",
        "apps.kubernetes.io/pod-index": "0",
        "controller-revision-hash": revision.metadata.name,
    }
    status = bench.s.status
    assert (status.replicas, status.readyReplicas, status.availableReplicas) == (3, 3, 3)
    assert (status.currentReplicas, status.updatedReplicas, status.observedGeneration) == (3, 3, 1)
    assert status.currentRevision == status.updateRevision == revision.metadata.name


def test_a_pod_that_is_not_ready_holds_up_the_next() -> None:
    bench = Bench(stateful_set())
    bench.broken = {"nginx:1.14"}
    assert bench.settle() == ["+web-0"]


def test_parallel_pods_start_and_end_together() -> None:
    bench = Bench(stateful_set(podManagementPolicy="Parallel"))
    bench.step()
    made = [create.obj.metadata for create in bench.plan().create]
    assert [(meta.generateName, meta.name) for meta in made] == [("web-", f"web-{number}") for number in range(3)]
    bench.settle()
    bench.change(replicas=1)
    assert [delete.obj.metadata.name for delete in bench.plan().delete] == ["web-2", "web-1"]


def test_scaling_down_deletes_the_highest_ordinal_first_and_waits_for_each() -> None:
    bench = settled(stateful_set(replicas=4))
    bench.change(replicas=1)
    assert [delete.obj.metadata.name for delete in bench.plan().delete] == ["web-3"]
    bench.pod("web-3").metadata.deletionTimestamp = render_time(NOW)
    assert bench.plan().delete == ()
    bench.pods = [pod for pod in bench.pods if pod.metadata.name != "web-3"]
    assert bench.settle() == ["-web-2", "-web-1"]


def test_scaling_down_waits_while_another_pod_is_not_ready() -> None:
    bench = settled(stateful_set())
    bench.change(replicas=2)
    bench.pod("web-0").status.conditions[0].status = "False"
    assert bench.plan().delete == ()
    bench.pod("web-0").status.conditions[0].status = "True"
    bench.pod("web-2").status.conditions[0].status = "False"
    assert [delete.obj.metadata.name for delete in bench.plan().delete] == ["web-2"]


def test_a_rolling_update_goes_from_the_highest_ordinal_down() -> None:
    bench = settled(stateful_set())
    bench.change(template=template("nginx:1.15"))
    assert bench.settle() == ["-web-2", "+web-2", "-web-1", "+web-1", "-web-0", "+web-0"]
    assert set(bench.images().values()) == {"1.15"}
    assert bench.s.status.currentRevision == bench.s.status.updateRevision
    assert bench.s.status.updateRevision == next(r.metadata.name for r in bench.revisions if r.revision == 2)


def test_a_broken_update_stops_at_its_first_pod() -> None:
    bench = settled(stateful_set())
    bench.broken = {"nginx:1.15"}
    bench.change(template=template("nginx:1.15"))
    assert bench.settle() == ["-web-2", "+web-2"]
    status = bench.s.status
    assert (status.updatedReplicas, status.currentReplicas, status.readyReplicas) == (1, 2, 2)
    assert status.currentRevision != status.updateRevision


def test_a_partition_keeps_lower_ordinals_on_the_current_revision_even_if_they_are_made_anew() -> None:
    bench = settled(stateful_set(partition=2))
    bench.change(template=template("nginx:1.15"))
    assert bench.settle() == ["-web-2", "+web-2"]
    bench.pods = [pod for pod in bench.pods if pod.metadata.name != "web-0"]
    assert bench.settle() == ["+web-0"]
    assert bench.images() == {"web-0": "1.14", "web-1": "1.14", "web-2": "1.15"}
    rolling = RollingUpdateStatefulSetStrategy(partition=0)
    bench.change(updateStrategy=StatefulSetUpdateStrategy(type="RollingUpdate", rollingUpdate=rolling))
    assert bench.settle() == ["-web-1", "+web-1", "-web-0", "+web-0"]


def test_with_on_delete_a_pod_is_updated_when_a_user_deletes_it() -> None:
    bench = settled(stateful_set(updateStrategy=StatefulSetUpdateStrategy(type="OnDelete")))
    bench.change(template=template("nginx:1.15"))
    assert bench.settle() == []
    bench.pods = [pod for pod in bench.pods if pod.metadata.name != "web-1"]
    assert bench.settle() == ["+web-1"]
    assert bench.images() == {"web-0": "1.14", "web-1": "1.15", "web-2": "1.14"}


def test_an_earlier_template_gets_its_revision_back_under_a_new_number() -> None:
    bench = settled(stateful_set())
    for image in ("nginx:1.15", "nginx:1.14"):
        bench.change(template=template(image))
        bench.settle()
    assert sorted(revision.revision for revision in bench.revisions) == [2, 3]


def test_old_revisions_above_the_limit_are_deleted_the_oldest_first() -> None:
    bench = settled(stateful_set(revisionHistoryLimit=1))
    for image in ("nginx:1.15", "nginx:1.16", "nginx:1.17"):
        bench.change(template=template(image))
        bench.settle()
    assert sorted(revision.revision for revision in bench.revisions) == [3, 4]


def test_a_name_in_use_for_another_template_counts_as_a_collision() -> None:
    bench = settled(stateful_set())
    (revision,) = bench.revisions
    bench.revisions = [msgspec.structs.replace(revision, data={"spec": {}})]
    bench.settle()
    assert bench.s.status.collisionCount == 1
    assert len(bench.revisions) == 2


def test_ordinals_may_start_at_another_number_and_move() -> None:
    bench = settled(stateful_set(replicas=2, ordinals=StatefulSetOrdinals(start=3)))
    assert sorted(bench.images()) == ["web-3", "web-4"]
    bench.change(ordinals=StatefulSetOrdinals(start=4))
    assert bench.settle() == ["+web-5", "-web-3"]


def test_a_finished_pod_is_replaced() -> None:
    bench = settled(stateful_set())
    bench.pod("web-1").status.phase = "Failed"
    assert bench.settle() == ["-web-1", "+web-1"]


def test_min_ready_seconds_hold_up_the_next_pod() -> None:
    bench = Bench(stateful_set(minReadySeconds=10))
    assert bench.settle() == ["+web-0"]
    assert (bench.s.status.readyReplicas, bench.s.status.availableReplicas) == (1, 0)
    assert bench.plan().retry_after == 10.0
    bench.now = Instant(NOW + 10)
    assert bench.settle() == ["+web-1"]


def test_each_pod_gets_its_claims_before_it_starts() -> None:
    bench = Bench(stateful_set(replicas=2, volumeClaimTemplates=[claim_template(), claim_template("log")]))
    assert bench.settle() == [
        "+data-web-0",
        "+log-web-0",
        "+web-0",
        "+data-web-1",
        "+log-web-1",
        "+web-1",
    ]
    volumes = {v.name: v.persistentVolumeClaim.claimName for v in bench.pods[1].spec.volumes if v.persistentVolumeClaim}
    assert volumes == {"data": "data-web-1", "log": "log-web-1"}
    assert bench.claims[0].metadata.labels == APP
    bench.change(replicas=0)
    assert bench.settle() == ["-web-1", "-web-0"]
    assert len(bench.claims) == 4


def test_the_events_name_pods_and_claims_as_upstream_does() -> None:
    bench = Bench(stateful_set(replicas=1, volumeClaimTemplates=[claim_template()]))
    bench.step()
    messages = []
    for _ in range(2):
        (create,) = bench.step().create
        assert create.done is not None
        assert create.failed is not None
        messages += [(create.done.reason, create.done.message), (create.failed.reason, create.failed.message)]
    assert messages == [
        ("SuccessfulCreate", "Create Claim data-web-0 Pod web-0 in StatefulSet web success"),
        ("FailedCreate", "Create Claim data-web-0 for Pod web-0 in StatefulSet web failed error: {error}"),
        ("SuccessfulCreate", "Create Pod web-0 in StatefulSet web successful"),
        ("FailedCreate", "Create Pod web-0 in StatefulSet web failed error: {error}"),
    ]


def test_a_pod_waits_for_a_claim_that_is_being_deleted() -> None:
    bench = settled(stateful_set(replicas=1, volumeClaimTemplates=[claim_template()]))
    bench.pods = []
    bench.claims[0].metadata.deletionTimestamp = render_time(NOW)
    plan = bench.plan()
    assert plan.create == ()
    assert [(event.reason, event.message) for event in plan.events] == [
        ("FailedCreate", "Create Pod web-0 in StatefulSet web failed error: pvc data-web-0 is being deleted")
    ]
    bench.claims = []
    assert bench.settle() == ["+data-web-0", "+web-0"]


@pytest.mark.parametrize(
    ("policy", "before", "after"),
    [
        (retention(), [], []),
        (retention(deleted="Delete"), ["StatefulSet"], ["StatefulSet"]),
        (retention(scaled="Delete"), [], ["Pod"]),
        (retention(deleted="Delete", scaled="Delete"), ["StatefulSet"], ["Pod"]),
    ],
)
def test_the_retention_policy_decides_who_owns_the_claims(policy: Any, before: list[str], after: list[str]) -> None:
    bench = settled(stateful_set(volumeClaimTemplates=[claim_template()], persistentVolumeClaimRetentionPolicy=policy))
    assert bench.owners() == dict.fromkeys(("data-web-0", "data-web-1", "data-web-2"), before)
    bench.change(replicas=2)
    assert bench.settle() == ["-web-2"]
    assert bench.owners() == {"data-web-0": before, "data-web-1": before, "data-web-2": after}


def test_a_new_pod_waits_until_the_claim_of_its_predecessor_is_gone() -> None:
    policy = retention(scaled="Delete")
    bench = settled(stateful_set(volumeClaimTemplates=[claim_template()], persistentVolumeClaimRetentionPolicy=policy))
    bench.change(replicas=2)
    bench.settle()
    bench.change(replicas=3)
    assert bench.settle() == []
    bench.claims = bench.claims[:2]
    assert bench.settle() == ["+data-web-2", "+web-2"]


def test_a_claim_of_another_controller_is_left_to_it() -> None:
    bench = settled(stateful_set(replicas=1, volumeClaimTemplates=[claim_template()]))
    other = OwnerReference(apiVersion="v1", kind="X", name="x", uid="x", controller=True)
    bench.claims[0].metadata.ownerReferences = [other]
    bench.change(persistentVolumeClaimRetentionPolicy=retention(deleted="Delete"))
    bench.settle()
    assert bench.owners() == {"data-web-0": ["X"]}


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_at_most_one_ordered_pod_is_missing_through_any_changes(data: st.DataObject) -> None:
    bench = settled(stateful_set())
    for _ in range(data.draw(st.integers(1, 6))):
        if data.draw(st.booleans()):
            bench.change(template=template(f"nginx:{data.draw(st.integers(1, 3))}"))
        else:
            bench.change(replicas=data.draw(st.integers(0, 5)))
        for _ in range(data.draw(st.integers(0, 8))):
            before = len(bench.pods)
            bench.step()
            assert abs(len(bench.pods) - before) <= 1
            ordinals = sorted(int(pod.metadata.name.rpartition("-")[2]) for pod in bench.pods)
            gaps = set(range(max(ordinals, default=-1) + 1)) - set(ordinals)
            assert len(gaps) <= 1
    bench.settle()
    assert sorted(bench.images()) == [f"web-{number}" for number in range(bench.s.spec.replicas or 0)]
    assert set(bench.images().values()) <= {bench.s.spec.template.spec.containers[0].image.partition(":")[2]}


def fresh(**spec: Any) -> StatefulSet:
    return msgspec.structs.replace(stateful_set(**spec), metadata=ObjectMeta(name="web", namespace="default"))


async def names(world: World) -> list[str]:
    return sorted(pod.metadata.name for pod in await world.pods() if not pod.metadata.deletionTimestamp)


async def current(world: World) -> StatefulSet:
    return await world.client.get(STATEFUL_SET, "web", "default")


async def run_pods(world: World, seconds: int) -> None:
    """Binds pods with claims: the scheduler waits for volumes, which do not matter here."""
    for _ in range(seconds):
        await asyncio.sleep(1)
        for pod in await world.pods():
            if not pod.spec.nodeName and not pod.metadata.deletionTimestamp:
                meta = ObjectMeta(name=pod.metadata.name, namespace=pod.metadata.namespace)
                target = ObjectReference(kind="Node", name="node1")
                binding = Binding(kind="Binding", apiVersion="v1", metadata=meta, target=target)
                path = POD.path(meta.namespace, meta.name, "binding")
                await world.client.raw("POST", path, body=msgspec.json.encode(binding))


async def set_image(world: World, image: str) -> None:
    tree = msgspec.to_builtins(template(image))
    await world.client.patch(STATEFUL_SET, "web", "default", patch={"spec": {"template": tree}})


def test_a_stateful_set_has_names_behind_its_headless_service_and_keeps_them() -> None:
    async def story(world: World) -> None:
        await world.client.create(SERVICE, service("db", clusterIP="None", clusterIPs=["None"]))
        await world.client.create(STATEFUL_SET, fresh())
        await asyncio.sleep(3)
        assert await names(world) == ["web-0", "web-1", "web-2"]

        async def hosts() -> set[str | None]:
            slices = (await world.client.list(ENDPOINT_SLICE, labels="kubernetes.io/service-name=db")).items
            return {endpoint.hostname for found in slices for endpoint in found.endpoints}

        assert await hosts() == {"web-0", "web-1", "web-2"}
        uid = (await world.client.get(POD, "web-1", "default")).metadata.uid
        await world.client.delete(POD, "web-1", "default")
        await asyncio.sleep(3)
        assert await names(world) == ["web-0", "web-1", "web-2"]
        assert (await world.client.get(POD, "web-1", "default")).metadata.uid != uid
        await world.client.patch(STATEFUL_SET, "web", "default", patch={"spec": {"replicas": 1}})
        await asyncio.sleep(3)
        assert await names(world) == ["web-0"]
        assert await hosts() == {"web-0"}

    in_world(story)


def test_a_stateful_set_is_updated_rolled_back_and_deleted_with_its_history_and_keeps_its_claims() -> None:
    async def story(world: World) -> None:
        await world.client.create(STATEFUL_SET, fresh(volumeClaimTemplates=[claim_template()], replicas=2))
        await run_pods(world, 6)
        assert len((await world.client.list(PERSISTENT_VOLUME_CLAIM)).items) == 2
        for image in ("nginx:1.15", "nginx:1.14"):
            await set_image(world, image)
            await run_pods(world, 9)
            assert {p.spec.containers[0].image for p in await world.pods()} == {image}
            status = (await current(world)).status
            assert (status.updatedReplicas, status.currentReplicas, status.readyReplicas) == (2, 2, 2)
        revisions = (await world.client.list(CONTROLLER_REVISION)).items
        assert sorted(revision.revision for revision in revisions) == [2, 3]
        await world.client.delete(STATEFUL_SET, "web", "default")
        await run_pods(world, 9)
        assert await world.pods() == []
        assert (await world.client.list(CONTROLLER_REVISION)).items == []
        assert len((await world.client.list(PERSISTENT_VOLUME_CLAIM)).items) == 2

    in_world(story)


def test_claims_go_with_the_pods_that_are_scaled_down_and_with_the_set_if_the_policy_says_so() -> None:
    async def story(world: World) -> None:
        policy = retention(deleted="Delete", scaled="Delete")
        spec = {"volumeClaimTemplates": [claim_template()], "persistentVolumeClaimRetentionPolicy": policy}
        await world.client.create(STATEFUL_SET, fresh(**spec))
        await run_pods(world, 9)
        for replicas in (1, 3, 2):
            await world.client.patch(STATEFUL_SET, "web", "default", patch={"spec": {"replicas": replicas}})
            await run_pods(world, 9)
            claims = (await world.client.list(PERSISTENT_VOLUME_CLAIM)).items
            assert sorted(claim.metadata.name for claim in claims) == [f"data-web-{n}" for n in range(replicas)]
        await world.client.delete(STATEFUL_SET, "web", "default")
        await run_pods(world, 9)
        assert (await world.client.list(PERSISTENT_VOLUME_CLAIM)).items == []

    in_world(story)


def test_an_update_keeps_its_order_while_the_api_fails_at_times() -> None:
    async def story(world: World) -> None:
        await world.client.create(STATEFUL_SET, fresh())
        await asyncio.sleep(3)
        ended: list[str] = []

        def note(key: str, old: Pod | None, new: Pod | None) -> None:
            if old is not None and new is None:
                ended.append(old.metadata.name)

        world.pods_seen.add_handler(note)
        await set_image(world, "nginx:1.15")
        client: Any = world.client
        for _ in range(5):
            client.down = True
            await asyncio.sleep(0.3)
            client.down = False
            await asyncio.sleep(0.5)
        await asyncio.sleep(20)
        assert ended == ["web-2", "web-1", "web-0"]
        assert {p.spec.containers[0].image for p in await world.pods()} == {"nginx:1.15"}
        assert len((await world.client.list(CONTROLLER_REVISION)).items) == 2

    in_fake_world(story)
