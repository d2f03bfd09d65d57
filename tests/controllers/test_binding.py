"""The binding of claims and volumes: the plans alone."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.api.core.persistentvolume.types import PersistentVolume, PersistentVolumeSpec, PersistentVolumeStatus
from fairlead.api.core.persistentvolumeclaim.kind import PersistentVolumeClaim
from fairlead.api.core.pod.volumes.claim import (
    PersistentVolumeClaimSpec,
    VolumeResourceRequirements,
)
from fairlead.api.core.pod.volumes.volume import (
    HostPathVolumeSource,
)
from fairlead.api.meta.reference import ObjectReference
from fairlead.api.meta.types import LabelSelector, ObjectMeta
from fairlead.api.storage.storageclass.kind import StorageClass
from fairlead.controllers.storage.binding.claims import reconcile_claim
from fairlead.controllers.storage.binding.state import State
from fairlead.controllers.storage.binding.volumes import reconcile_volume
from fairlead.runtime.plan import Plan
from fairlead.storage.matching import best_volume, mismatch

BOUND = "pv.kubernetes.io/bind-completed"
OURS = "pv.kubernetes.io/bound-by-controller"


def volume(
    name: str = "disk",
    *,
    size: str = "1Gi",
    modes: tuple[str, ...] = ("ReadWriteOnce",),
    storage_class: str = "",
    phase: str = "Available",
    claim: PersistentVolumeClaim | None = None,
    policy: str = "Retain",
    annotations: dict[str, str] | None = None,
    labels: dict[str, str] | None = None,
    **spec: Any,
) -> PersistentVolume:
    ref = None
    if claim is not None:
        ref = ObjectReference(
            kind="PersistentVolumeClaim", namespace="default", name=claim.metadata.name, uid=claim.metadata.uid
        )
    return PersistentVolume(
        kind="PersistentVolume",
        apiVersion="v1",
        metadata=ObjectMeta(name=name, uid=f"uid-{name}", annotations=annotations or {}, labels=labels or {}),
        spec=PersistentVolumeSpec(
            accessModes=list(modes),
            capacity={"storage": size},
            storageClassName=storage_class,
            persistentVolumeReclaimPolicy=policy,
            claimRef=ref,
            volumeMode=spec.pop("volumeMode", "Filesystem"),
            hostPath=HostPathVolumeSource(path="/tmp/disk", type=""),
            **spec,
        ),
        status=PersistentVolumeStatus(phase=phase),
    )


def claim(
    name: str = "data",
    *,
    size: str = "1Gi",
    modes: tuple[str, ...] = ("ReadWriteOnce",),
    storage_class: str | None = "",
    phase: str = "Pending",
    annotations: dict[str, str] | None = None,
    **spec: Any,
) -> PersistentVolumeClaim:
    made = PersistentVolumeClaim(
        kind="PersistentVolumeClaim",
        apiVersion="v1",
        metadata=ObjectMeta(name=name, namespace="default", uid=f"uid-{name}", annotations=annotations or {}),
        spec=PersistentVolumeClaimSpec(
            accessModes=list(modes),
            resources=VolumeResourceRequirements(requests={"storage": size}),
            storageClassName=storage_class,
            volumeMode=spec.pop("volumeMode", "Filesystem"),
            **spec,
        ),
    )
    made.status.phase = phase
    return made


def storage_class(name: str = "fast", *, mode: str = "Immediate", default: bool = False, **fields: Any) -> StorageClass:
    marks = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    return StorageClass(
        kind="StorageClass",
        apiVersion="storage.k8s.io/v1",
        metadata=ObjectMeta(name=name, annotations=marks),
        provisioner=fields.pop("provisioner", "example.com/disks"),
        volumeBindingMode=mode,
        reclaimPolicy=fields.pop("reclaimPolicy", "Delete"),
        **fields,
    )


def state(
    *objects: PersistentVolume | PersistentVolumeClaim | StorageClass, waiting_pods: tuple[str, ...] = ()
) -> State:
    return State(
        volumes={o.metadata.name: o for o in objects if isinstance(o, PersistentVolume)},
        claims={f"default/{o.metadata.name}": o for o in objects if isinstance(o, PersistentVolumeClaim)},
        classes={o.metadata.name: o for o in objects if isinstance(o, StorageClass)},
        waiting_pods=waiting_pods,
    )


def texts(plan: Plan) -> list[tuple[str, str, str]]:
    done = [update.done for update in plan.update if update.done is not None]
    return [(event.type, event.reason, event.message) for event in (*plan.events, *done)]


def test_of_several_volumes_the_smallest_that_is_large_enough_is_bound() -> None:
    volumes = [volume("a", size="10Gi"), volume("b", size="2Gi"), volume("c", size="500Mi")]
    found = best_volume(claim(), volumes)
    assert found is not None
    assert found.metadata.name == "b"


def test_a_volume_with_fewer_access_modes_comes_before_a_smaller_one_with_more() -> None:
    volumes = [volume("many", modes=("ReadWriteOnce", "ReadWriteMany")), volume("one", size="5Gi")]
    found = best_volume(claim(), volumes)
    assert found is not None
    assert found.metadata.name == "one"


@pytest.mark.parametrize(
    "other",
    [
        volume(modes=("ReadOnlyMany",)),
        volume(size="1Mi"),
        volume(storage_class="slow"),
        volume(volumeMode="Block"),
        volume(phase="Released"),
        volume(claim=claim("another")),
        volume(volumeAttributesClassName="gold"),
    ],
)
def test_a_volume_that_differs_in_one_fact_is_not_bound(other: PersistentVolume) -> None:
    assert best_volume(claim(), [other]) is None
    assert best_volume(claim(), [volume()]) is not None


def test_a_selector_chooses_among_volumes_by_their_labels() -> None:
    wants = claim(selector=LabelSelector(matchLabels={"tier": "gold"}))
    found = best_volume(wants, [volume("plain"), volume("gold", labels={"tier": "gold"}, size="9Gi")])
    assert found is not None
    assert found.metadata.name == "gold"


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (volume(size="1Mi"), "requested PV is too small"),
        (volume(storage_class="slow"), "storageClassName does not match"),
        (volume(volumeMode="Block"), "incompatible volumeMode"),
        (volume(modes=("ReadOnlyMany",)), "incompatible accessMode"),
        (volume(volumeAttributesClassName="gold"), "volumeAttributesClassName does not match"),
        (volume(), ""),
    ],
)
def test_a_claim_that_names_a_volume_gets_the_reason_for_which_it_cannot_have_it(
    other: PersistentVolume, why: str
) -> None:
    assert mismatch(other, claim(volumeName="disk")) == why
    plan = reconcile_claim(claim(volumeName="disk"), state(other))
    expected = [("Warning", "VolumeMismatch", f'Cannot bind to requested volume "disk": {why}')] if why else []
    assert texts(plan) == expected
    assert bool(plan.update) is not bool(why)


def test_binding_takes_a_step_at_a_time_and_ends() -> None:
    wants, disk = claim(), volume(size="3Gi")
    for _ in range(10):
        plan = reconcile_claim(wants, state(wants, disk))
        if not plan:
            break
        for update in (*plan.update, *plan.status):
            if isinstance(update.obj, PersistentVolume):
                disk = update.obj
            elif isinstance(update.obj, PersistentVolumeClaim):
                wants = update.obj
    assert disk.spec.claimRef is not None
    assert (disk.spec.claimRef.name, disk.spec.claimRef.uid, disk.status.phase) == ("data", "uid-data", "Bound")
    assert disk.metadata.annotations == {OURS: "yes"}
    assert (wants.spec.volumeName, wants.status.phase) == ("disk", "Bound")
    assert wants.metadata.annotations == {OURS: "yes", BOUND: "yes"}
    assert wants.status.capacity == {"storage": "3Gi"}
    assert not reconcile_volume(disk, state(wants, disk))


def test_a_volume_reserved_by_its_user_is_bound_without_the_controllers_mark() -> None:
    wants = claim()
    reserved = volume(claim=wants, storage_class="other")
    assert reserved.spec.claimRef is not None
    reserved.spec.claimRef.uid = ""
    plan = reconcile_claim(wants, state(wants, reserved))
    [update] = plan.update
    assert isinstance(update.obj, PersistentVolume)
    assert update.obj.spec.claimRef is not None
    assert update.obj.spec.claimRef.uid == "uid-data"
    assert OURS not in update.obj.metadata.annotations


def test_a_claim_that_names_a_volume_of_another_claim_waits() -> None:
    plan = reconcile_claim(claim(volumeName="disk"), state(volume(claim=claim("other"))))
    assert texts(plan) == [("Warning", "FailedBinding", 'volume "disk" already bound to a different claim.')]


@pytest.mark.parametrize(
    ("wants", "objects", "event"),
    [
        (
            claim(),
            (),
            (
                "Normal",
                "FailedBinding",
                "no persistent volumes available for this claim and no storage class is set",
            ),
        ),
        (
            claim(storage_class="fast"),
            (),
            ("Warning", "ProvisioningFailed", 'storageclass.storage.k8s.io "fast" not found'),
        ),
        (
            claim(storage_class="fast"),
            (storage_class(mode="WaitForFirstConsumer"),),
            ("Normal", "WaitForFirstConsumer", "waiting for first consumer to be created before binding"),
        ),
        (
            claim(storage_class="fast"),
            (storage_class(),),
            (
                "Normal",
                "ExternalProvisioning",
                "Waiting for a volume to be created either by the external provisioner 'example.com/disks' or manually "
                "by the system administrator. If volume creation is delayed, please verify that the provisioner is "
                "running and correctly registered.",
            ),
        ),
        (
            claim(storage_class="fast"),
            (storage_class(provisioner="kubernetes.io/no-provisioner"),),
            (
                "Warning",
                "ProvisioningFailed",
                "no volume plugin matched name: kubernetes.io/no-provisioner",
            ),
        ),
        (
            claim(storage_class="fast"),
            (storage_class(provisioner="kubernetes.io/gce-pd"),),
            (
                "Normal",
                "ExternalProvisioning",
                "Waiting for a volume to be created either by the external provisioner 'kubernetes.io/gce-pd' or "
                "manually by the system administrator. If volume creation is delayed, please verify that the "
                "provisioner is running and correctly registered.",
            ),
        ),
    ],
)
def test_a_claim_without_a_volume_says_what_it_waits_for(
    wants: PersistentVolumeClaim, objects: tuple[StorageClass, ...], event: tuple[str, str, str]
) -> None:
    assert texts(reconcile_claim(wants, state(*objects))) == [event]


def test_a_delayed_claim_names_the_pods_that_wait_with_it() -> None:
    wants, delayed = claim(storage_class="fast"), storage_class(mode="WaitForFirstConsumer")
    [event] = texts(reconcile_claim(wants, state(delayed, waiting_pods=("web-1",))))
    assert event[1:] == ("WaitForPodScheduled", "waiting for pod web-1 to be scheduled")
    [event] = texts(reconcile_claim(wants, state(delayed, waiting_pods=("b", "a"))))
    assert event[2] == "waiting for pods a,b to be scheduled"


def test_a_delayed_claim_is_provisioned_after_its_node_is_selected() -> None:
    wants = claim(storage_class="fast", annotations={"volume.kubernetes.io/selected-node": "node1"})
    plan = reconcile_claim(wants, state(storage_class(mode="WaitForFirstConsumer")))
    [update] = plan.update
    assert update.obj.metadata.annotations["volume.kubernetes.io/storage-provisioner"] == "example.com/disks"
    again = update.obj
    assert isinstance(again, PersistentVolumeClaim)
    assert not reconcile_claim(again, state(storage_class(mode="WaitForFirstConsumer")))


def test_a_claim_without_a_class_gets_the_default_class_later() -> None:
    plan = reconcile_claim(claim(storage_class=None), state(storage_class("std", default=True)))
    [update] = plan.update
    assert isinstance(update.obj, PersistentVolumeClaim)
    assert update.obj.spec.storageClassName == "std"
    assert not reconcile_claim(claim(storage_class=""), state(storage_class("std", default=True))).update


@pytest.mark.parametrize(
    ("wants", "objects", "reason", "text"),
    [
        (
            claim(annotations={BOUND: "yes"}, phase="Bound"),
            (),
            "ClaimLost",
            "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!",
        ),
        (
            claim(annotations={BOUND: "yes"}, phase="Bound", volumeName="disk"),
            (),
            "ClaimLost",
            "Bound claim has lost its PersistentVolume. Data on the volume is lost!",
        ),
        (
            claim(annotations={BOUND: "yes"}, phase="Bound", volumeName="disk"),
            (volume(claim=claim("other")),),
            "ClaimMisbound",
            "Two claims are bound to the same volume, this one is bound incorrectly",
        ),
    ],
)
def test_a_bound_claim_that_loses_its_volume_is_lost_once(
    wants: PersistentVolumeClaim, objects: tuple[PersistentVolume, ...], reason: str, text: str
) -> None:
    plan = reconcile_claim(wants, state(*objects))
    assert texts(plan) == [("Warning", reason, text)]
    [update] = plan.status
    assert isinstance(update.obj, PersistentVolumeClaim)
    assert (update.obj.status.phase, update.obj.status.capacity) == ("Lost", {})
    assert not reconcile_claim(update.obj, state(*objects))


@pytest.mark.parametrize(
    ("policy", "reason"), [("Retain", ""), ("Recycle", "VolumeFailedRecycle"), ("Delete", "VolumeFailedDelete")]
)
def test_a_volume_of_a_deleted_claim_is_released_and_never_emptied(policy: str, reason: str) -> None:
    disk = volume(claim=claim(), phase="Bound", policy=policy)
    [update] = reconcile_volume(disk, state(disk)).status
    assert isinstance(update.obj, PersistentVolume)
    assert update.obj.status.phase == "Released"
    plan = reconcile_volume(update.obj, state(update.obj))
    assert [event[1] for event in texts(plan)] == ([reason] if reason else [])
    if reason:
        [update] = plan.status
        assert isinstance(update.obj, PersistentVolume)
        assert update.obj.status.phase == "Failed"
        assert not reconcile_volume(update.obj, state(update.obj))


def test_a_new_claim_of_the_same_name_does_not_get_the_old_ones_volume() -> None:
    old, new = claim(), claim()
    new.metadata.uid = "uid-new"
    disk = volume(claim=old, phase="Bound")
    [update] = reconcile_volume(disk, state(disk, new)).status
    assert isinstance(update.obj, PersistentVolume)
    assert update.obj.status.phase == "Released"
    assert best_volume(new, [update.obj]) is None


def test_a_volume_whose_claim_was_bound_elsewhere_is_free_again() -> None:
    wants = claim(volumeName="other", annotations={BOUND: "yes"}, phase="Bound")
    disk = volume(claim=wants, phase="Bound", annotations={OURS: "yes"})
    [update] = reconcile_volume(disk, state(disk, wants)).update
    assert isinstance(update.obj, PersistentVolume)
    assert update.obj.spec.claimRef is None
    assert update.obj.metadata.annotations == {}


SIZES = st.sampled_from(["1Gi", "2Gi", "3Gi"])
MODES = st.sampled_from([("ReadWriteOnce",), ("ReadWriteOnce", "ReadWriteMany"), ("ReadOnlyMany",)])
CLASSES = st.sampled_from(["", "fast"])


@st.composite
def clusters(draw: st.DrawFn) -> tuple[list[PersistentVolume], list[PersistentVolumeClaim]]:
    """Volumes and claims, some of which name each other."""
    names = [f"v{n}" for n in range(draw(st.integers(0, 4)))]
    claims = [
        claim(
            f"c{n}",
            size=draw(SIZES),
            modes=draw(MODES),
            storage_class=draw(CLASSES),
            volumeName=draw(st.sampled_from(["", "", *names])),
        )
        for n in range(draw(st.integers(0, 4)))
    ]
    volumes = []
    for name in names:
        reserved = draw(st.sampled_from([None, None, *claims]))
        made = volume(name, size=draw(SIZES), modes=draw(MODES), storage_class=draw(CLASSES), phase="Pending")
        if reserved is not None:
            uid = draw(st.sampled_from(["", reserved.metadata.uid, "uid-gone"]))
            made.spec.claimRef = ObjectReference(namespace="default", name=reserved.metadata.name, uid=uid)
        volumes.append(made)
    return volumes, claims


@given(clusters(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_whatever_the_order_of_steps_no_volume_serves_two_claims_and_none_is_left_over(
    made: tuple[list[PersistentVolume], list[PersistentVolumeClaim]], rng: random.Random
) -> None:
    volumes = {v.metadata.name: v for v in made[0]}
    claims = {f"default/{c.metadata.name}": c for c in made[1]}
    keys = [("volume", name) for name in volumes] + [("claim", name) for name in claims]
    waiting = list(keys)
    for _ in range(500):
        if not waiting:
            break
        what, name = waiting.pop(rng.randrange(len(waiting)))
        now = State(volumes=volumes, claims=claims, classes={"fast": storage_class(provisioner="x.io/none")})
        plan = reconcile_claim(claims[name], now) if what == "claim" else reconcile_volume(volumes[name], now)
        for update in (*plan.update, *plan.status):
            if isinstance(update.obj, PersistentVolume):
                volumes[update.obj.metadata.name] = update.obj
            elif isinstance(update.obj, PersistentVolumeClaim):
                claims[f"default/{update.obj.metadata.name}"] = update.obj
        if plan.update or plan.status:
            waiting = list(keys)
    assert not waiting, "the plans end"
    bound = {name: c.spec.volumeName for name, c in claims.items() if c.status.phase == "Bound"}
    assert len(set(bound.values())) == len(bound)
    for name, at in bound.items():
        ref = volumes[at].spec.claimRef
        assert ref is not None
        assert (f"{ref.namespace}/{ref.name}", ref.uid) == (name, claims[name].metadata.uid)
        assert volumes[at].status.phase == "Bound"
    assert sorted(bound.values()) == sorted(name for name, v in volumes.items() if v.status.phase == "Bound")
    for found in claims.values():
        if found.status.phase == "Pending" and not found.spec.volumeName:
            assert best_volume(found, volumes.values()) is None
