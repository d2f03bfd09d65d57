"""The binding of claims and volumes: stories of a whole cluster in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from fairlead.api.core.event.kind import EVENT
from fairlead.api.core.persistentvolume import PERSISTENT_VOLUME
from fairlead.api.core.persistentvolumeclaim import PERSISTENT_VOLUME_CLAIM
from fairlead.api.core.persistentvolumeclaim.kind import PersistentVolumeClaim
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.core.pod.volumes.claim import (
    PersistentVolumeClaimTemplate,
)
from fairlead.api.core.pod.volumes.volume import (
    EphemeralVolumeSource,
    PersistentVolumeClaimVolumeSource,
    Volume,
)
from fairlead.api.meta.types import ObjectMeta
from fairlead.api.storage.storageclass import STORAGE_CLASS
from tests.controllers.factories import template
from tests.controllers.test_binding import claim, storage_class, volume
from tests.controllers.world import World, in_world


def waiting_pod(*volumes: Volume) -> Pod:
    """A pod that no scheduler takes."""
    spec = template().spec
    spec.volumes, spec.schedulerName = list(volumes), "none"
    return Pod(kind="Pod", apiVersion="v1", metadata=ObjectMeta(name="web-1", namespace="default"), spec=spec)


def ephemeral(**meta: Any) -> Volume:
    wanted = PersistentVolumeClaimTemplate(metadata=ObjectMeta(**meta), spec=claim().spec)
    return Volume(name="scratch", ephemeral=EphemeralVolumeSource(volumeClaimTemplate=wanted))


async def _phase_of(world: World, name: str, phase: str) -> PersistentVolumeClaim:
    for _ in range(200):
        found = await world.client.get(PERSISTENT_VOLUME_CLAIM, name, "default")
        if found.status.phase == phase:
            return found
        await asyncio.sleep(0.1)
    raise AssertionError(f"{name} is {found.status.phase}")


def test_claims_and_volumes_find_each_other_whichever_comes_first() -> None:
    async def story(world: World) -> None:
        await world.client.create(PERSISTENT_VOLUME, volume("first"))
        await world.client.create(PERSISTENT_VOLUME_CLAIM, claim("a"))
        await world.client.create(PERSISTENT_VOLUME_CLAIM, claim("b"))
        bound = await _phase_of(world, "a", "Bound")
        assert bound.spec.volumeName == "first"
        await world.client.create(PERSISTENT_VOLUME, volume("second"))
        assert (await _phase_of(world, "b", "Bound")).spec.volumeName == "second"
        found = await world.client.get(PERSISTENT_VOLUME, "second")
        assert found.status.phase == "Bound"

    in_world(story)


def test_a_hundred_claims_and_volumes_made_at_once_are_bound_one_to_one() -> None:
    async def story(world: World) -> None:
        for n in range(100):
            await world.client.create(PERSISTENT_VOLUME, volume(f"disk{n}"))
        async with asyncio.TaskGroup() as group:
            for n in range(100):
                group.create_task(world.client.create(PERSISTENT_VOLUME_CLAIM, claim(f"data{n}")))
        names = {(await _phase_of(world, f"data{n}", "Bound")).spec.volumeName for n in range(100)}
        assert len(names) == 100

    in_world(story)


def test_a_deleted_claim_releases_its_volume() -> None:
    async def story(world: World) -> None:
        await world.client.create(PERSISTENT_VOLUME, volume())
        await world.client.create(PERSISTENT_VOLUME_CLAIM, claim())
        await _phase_of(world, "data", "Bound")
        found = await world.client.get(PERSISTENT_VOLUME_CLAIM, "data", "default")
        await world.client.update(
            PERSISTENT_VOLUME_CLAIM,
            msgspec.structs.replace(found, metadata=msgspec.structs.replace(found.metadata, finalizers=[])),
        )
        await world.client.delete(PERSISTENT_VOLUME_CLAIM, "data", "default")
        for _ in range(100):
            disk = await world.client.get(PERSISTENT_VOLUME, "disk")
            if disk.status.phase == "Released":
                return
            await asyncio.sleep(0.1)
        raise AssertionError(disk.status.phase)

    in_world(story)


def test_the_default_class_reaches_a_claim_that_was_made_before_it() -> None:
    async def story(world: World) -> None:
        await world.client.create(PERSISTENT_VOLUME_CLAIM, claim(storage_class=None))
        await asyncio.sleep(1)
        await world.client.create(STORAGE_CLASS, storage_class("std", default=True))
        await asyncio.sleep(1)
        found = await world.client.get(PERSISTENT_VOLUME_CLAIM, "data", "default")
        assert found.spec.storageClassName == "std"
        assert found.metadata.annotations["volume.kubernetes.io/storage-provisioner"] == "example.com/disks"

    in_world(story)


def test_an_ephemeral_volume_gets_a_claim_that_goes_with_its_pod() -> None:
    async def story(world: World) -> None:
        made = await world.client.create(POD, waiting_pod(ephemeral(labels={"a": "b"})))
        await asyncio.sleep(1)
        found = await world.client.get(PERSISTENT_VOLUME_CLAIM, "web-1-scratch", "default")
        [owner] = found.metadata.ownerReferences
        assert (owner.kind, owner.uid, owner.controller) == ("Pod", made.metadata.uid, True)
        assert found.metadata.labels == {"a": "b"}

    in_world(story)


def test_a_foreign_claim_of_an_ephemeral_volumes_name_is_an_event_of_the_pod() -> None:
    async def story(world: World) -> None:
        await world.client.create(PERSISTENT_VOLUME_CLAIM, claim("web-1-scratch"))
        await world.client.create(POD, waiting_pod(ephemeral()))
        await asyncio.sleep(1)
        found = {(e.reason, e.message) for e in (await world.client.list(EVENT)).items if e.reason == "FailedBinding"}
        text = "PVC default/web-1-scratch was not created for pod default/web-1 (pod is not owner)"
        assert ("FailedBinding", f"ephemeral volume scratch: {text}") in found

    in_world(story)


def test_a_pod_that_waits_is_named_in_its_claims_event() -> None:
    async def story(world: World) -> None:
        await world.client.create(STORAGE_CLASS, storage_class(mode="WaitForFirstConsumer", provisioner="x.io/none"))
        await world.client.create(PERSISTENT_VOLUME_CLAIM, claim(storage_class="fast"))
        await asyncio.sleep(1)
        source = PersistentVolumeClaimVolumeSource(claimName="data")
        await world.client.create(POD, waiting_pod(Volume(name="data", persistentVolumeClaim=source)))
        await asyncio.sleep(1)
        found = {e.message for e in (await world.client.list(EVENT)).items if e.reason == "WaitForPodScheduled"}
        assert found == {"waiting for pod web-1 to be scheduled"}

    in_world(story)
