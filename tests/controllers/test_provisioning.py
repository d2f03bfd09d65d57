"""The built-in provisioner, and the expansion of claims: plans alone, real directories, and stories in virtual time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fairlead.api.core.event.kind import EVENT
from fairlead.api.core.persistentvolume import PERSISTENT_VOLUME
from fairlead.api.core.persistentvolume.types import PersistentVolume
from fairlead.api.core.persistentvolumeclaim import PERSISTENT_VOLUME_CLAIM
from fairlead.api.core.persistentvolumeclaim.kind import PersistentVolumeClaim
from fairlead.api.core.pod.kind import POD
from fairlead.api.core.pod.volumes.volume import PersistentVolumeClaimVolumeSource, Volume
from fairlead.api.core.topology.types import TopologySelectorLabelRequirement, TopologySelectorTerm
from fairlead.api.meta.reference import TypedLocalObjectReference
from fairlead.api.meta.types import LabelSelector
from fairlead.api.storage.storageclass import STORAGE_CLASS
from fairlead.api.storage.storageclass.kind import StorageClass
from fairlead.controllers.context import Context
from fairlead.controllers.storage.expansion.plan import reconcile as expand
from fairlead.controllers.storage.provisioning import loop
from fairlead.controllers.storage.provisioning.directories import HostDirectories, MemoryDirectories
from fairlead.controllers.storage.provisioning.plan import directory_name, problem, provision
from fairlead.machinery.values.status import StatusError
from fairlead.runtime.loop import Controller
from fairlead.storage.wellknown import PROVISIONER
from tests.controllers.factories import NOW
from tests.controllers.test_binding import claim, storage_class, texts, volume
from tests.controllers.test_binding_stories import waiting_pod
from tests.controllers.world import World, in_world


def standard(**fields: Any) -> StorageClass:
    return storage_class("standard", provisioner=PROVISIONER, **fields)


@pytest.mark.parametrize(
    ("wants", "made_by", "why"),
    [
        (claim(), standard(), ""),
        (claim(modes=("ReadWriteMany",)), standard(), ""),
        (claim(volumeMode="Block"), standard(), "directories cannot be block volumes: use volumeMode Filesystem"),
        (claim(selector=LabelSelector()), standard(), "claim Selector is not supported"),
        (
            claim(dataSource=TypedLocalObjectReference(kind="PersistentVolumeClaim", name="old")),
            standard(),
            "directories cannot start with the contents of a dataSource: copy the data in an init container",
        ),
        (
            claim(volumeAttributesClassName="gold"),
            standard(),
            "directories have no attributes: leave volumeAttributesClassName out",
        ),
        (
            claim(),
            standard(parameters={"type": "ssd"}),
            'directories have no parameters: StorageClass "standard" has type',
        ),
        (
            claim(),
            standard(mountOptions=["ro"]),
            'Mount options are not supported by the provisioner but StorageClass "standard" has mount options [ro]',
        ),
    ],
)
def test_a_claim_that_no_directory_can_meet_is_refused_with_the_reason(
    wants: PersistentVolumeClaim, made_by: StorageClass, why: str
) -> None:
    assert problem(wants, made_by) == why


def test_the_volume_of_a_claim_is_reachable_from_all_nodes_and_deleted_with_the_claim() -> None:
    wants = claim(storage_class="standard", size="5Gi", modes=("ReadWriteMany",))
    [create] = provision(wants, standard(), "/state/volumes/x").create
    made = create.obj
    assert isinstance(made, PersistentVolume)
    assert made.metadata.name == "pvc-uid-data"
    assert made.metadata.annotations == {"pv.kubernetes.io/provisioned-by": "fairlead.dev/directory"}
    assert made.metadata.finalizers == ["external-provisioner.volume.kubernetes.io/finalizer"]
    assert made.spec.nodeAffinity is None
    assert made.spec.hostPath is not None
    assert (made.spec.hostPath.path, made.spec.hostPath.type) == ("/state/volumes/x", "Directory")
    assert (made.spec.accessModes, made.spec.capacity) == (["ReadWriteMany"], {"storage": "5Gi"})
    assert made.spec.persistentVolumeReclaimPolicy == "Delete"


def test_the_class_decides_about_the_fate_and_the_nodes_of_a_volume() -> None:
    zones = TopologySelectorTerm(matchLabelExpressions=[TopologySelectorLabelRequirement(key="zone", values=["a"])])
    made_by = standard(reclaimPolicy="Retain", allowedTopologies=[zones])
    [create] = provision(claim(storage_class="standard"), made_by, "/x").create
    made = create.obj
    assert isinstance(made, PersistentVolume)
    assert made.metadata.finalizers == []
    assert made.spec.persistentVolumeReclaimPolicy == "Retain"
    assert made.spec.nodeAffinity is not None
    assert made.spec.nodeAffinity.required is not None
    [term] = made.spec.nodeAffinity.required.nodeSelectorTerms
    assert [(r.key, r.operator, r.values) for r in term.matchExpressions] == [("zone", "In", ["a"])]


def test_the_name_of_a_directory_fits_the_file_system_however_long_the_claims_is() -> None:
    assert directory_name(claim()) == "pvc-uid-data_default_data"
    assert len(directory_name(claim("x" * 253))) == 255


def test_a_new_directory_is_writable_for_every_user_whatever_the_umask(tmp_path: Path) -> None:
    directories, before = HostDirectories(str(tmp_path / "volumes")), os.umask(0o077)
    try:
        asyncio.run(directories.make("a"))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "volumes").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "volumes/a").stat().st_mode) == 0o777


def test_a_directory_that_exists_keeps_its_data_and_mode(tmp_path: Path) -> None:
    directories = HostDirectories(str(tmp_path))
    asyncio.run(directories.make("a"))
    (tmp_path / "a/data").write_text("kept")
    (tmp_path / "a").chmod(0o700)
    asyncio.run(directories.make("a"))
    assert (tmp_path / "a/data").read_text() == "kept"
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700


def test_only_directories_of_the_provisioner_are_removed_and_a_missing_one_is_no_error(tmp_path: Path) -> None:
    root = tmp_path / "volumes"
    directories = HostDirectories(str(root))
    asyncio.run(directories.make("a"))
    (tmp_path / "other").mkdir()
    (root / "a/link").symlink_to(tmp_path / "other")
    asyncio.run(directories.remove("a"))
    asyncio.run(directories.remove("a"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "volumes"]
    for name in ("", ".", "..", "../other", "a/b"):
        with pytest.raises(PermissionError, match="is not a directory of this provisioner"):
            asyncio.run(directories.remove(name))


def test_leftovers_are_removed_only_if_they_are_empty_and_unknown(tmp_path: Path) -> None:
    directories = HostDirectories(str(tmp_path / "volumes"))
    asyncio.run(directories.remove_empty(()))
    for name in ("known", "empty", "full"):
        asyncio.run(directories.make(name))
    (tmp_path / "volumes/full/data").write_text("")
    asyncio.run(directories.remove_empty({"known"}))
    assert sorted(path.name for path in (tmp_path / "volumes").iterdir()) == ["full", "known"]


class _Story:
    """A world with a provisioner whose directories are names."""

    def __init__(self, story: Callable[[World, MemoryDirectories], Any]) -> None:
        self._story = story

    def run(self) -> None:
        for_each: list[MemoryDirectories] = []

        class Provided(World):
            def also(self) -> Sequence[Callable[[Context], Controller]]:
                for_each.append(MemoryDirectories())
                return (partial(loop.controller, directories=for_each[-1]),)

        async def told(world: World) -> None:
            await world.client.create(STORAGE_CLASS, standard(allowVolumeExpansion=True, default=True))
            await self._story(world, for_each[-1])

        in_world(told, make=Provided)


async def _claim_in(world: World, phase: str, name: str = "data") -> PersistentVolumeClaim:
    for _ in range(300):
        found = await world.client.get(PERSISTENT_VOLUME_CLAIM, name, "default")
        if found.status.phase == phase:
            return found
        await asyncio.sleep(0.1)
    raise AssertionError(f"{name} is {found.status.phase}")


async def _delete_claim(world: World) -> None:
    await world.client.delete(PERSISTENT_VOLUME_CLAIM, "data", "default")
    with contextlib.suppress(StatusError):  # the real server has removed the claim; the fake one leaves finalizers
        patch = {"metadata": {"finalizers": None}}
        await world.client.patch(PERSISTENT_VOLUME_CLAIM, "data", "default", patch=patch)


def test_a_claim_gets_a_directory_and_its_deletion_removes_it() -> None:
    async def story(world: World, directories: MemoryDirectories) -> None:
        await world.client.create(PERSISTENT_VOLUME_CLAIM, claim(storage_class="standard"))
        bound = await _claim_in(world, "Bound")
        assert directories.names == {f"pvc-{bound.metadata.uid}_default_data"}
        events = {(e.reason, e.source.component) for e in (await world.client.list(EVENT)).items}
        assert ("ProvisioningSucceeded", "fairlead.dev/directory") in events
        assert ("ExternalProvisioning", "persistentvolume-controller") in events
        await _delete_claim(world)
        for _ in range(100):
            if not directories.names:
                break
            await asyncio.sleep(0.1)
        assert directories.names == set()

    _Story(story).run()


def test_a_directory_whose_claim_went_while_no_provisioner_ran_is_removed() -> None:
    async def story(world: World, directories: MemoryDirectories) -> None:
        directories.names.add("pvc-gone_default_gone")
        await world.client.create(PERSISTENT_VOLUME_CLAIM, claim(storage_class="standard"))
        bound = await _claim_in(world, "Bound")
        assert directories.names == {f"pvc-{bound.metadata.uid}_default_data"}

    _Story(story).run()


def test_a_full_disk_is_an_event_and_the_claim_is_provisioned_when_there_is_room_again() -> None:
    async def story(world: World, directories: MemoryDirectories) -> None:
        directories.problem = OSError(28, "No space left on device")
        await world.client.create(PERSISTENT_VOLUME_CLAIM, claim(storage_class="standard"))
        await asyncio.sleep(5)
        messages = {e.message for e in (await world.client.list(EVENT)).items if e.reason == "ProvisioningFailed"}
        start = 'failed to provision volume with StorageClass "standard"'
        assert messages == {f"{start}: [Errno 28] No space left on device"}
        directories.problem = None
        await _claim_in(world, "Bound")

    _Story(story).run()


def test_a_retained_volume_keeps_its_directory() -> None:
    async def story(world: World, directories: MemoryDirectories) -> None:
        kept = storage_class("kept", provisioner=PROVISIONER, reclaimPolicy="Retain")
        await world.client.create(STORAGE_CLASS, kept)
        await world.client.create(PERSISTENT_VOLUME_CLAIM, claim(storage_class="kept"))
        bound = await _claim_in(world, "Bound")
        await _delete_claim(world)
        await asyncio.sleep(5)
        found = await world.client.get(PERSISTENT_VOLUME, bound.spec.volumeName)
        assert found.status.phase == "Released"
        assert len(directories.names) == 1

    _Story(story).run()


def test_a_bound_claim_grows_when_its_request_does() -> None:
    async def story(world: World, _: MemoryDirectories) -> None:
        await world.client.create(PERSISTENT_VOLUME_CLAIM, claim(storage_class="standard"))
        await _claim_in(world, "Bound")
        patch = {"spec": {"resources": {"requests": {"storage": "4Gi"}}}}
        await world.client.patch(PERSISTENT_VOLUME_CLAIM, "data", "default", patch=patch)
        await asyncio.sleep(2)
        grown = await _claim_in(world, "Bound")
        assert (grown.status.capacity, grown.status.conditions) == ({"storage": "4Gi"}, [])
        assert grown.status.allocatedResources == {"storage": "4Gi"}
        assert grown.status.allocatedResourceStatuses == {}
        found = await world.client.get(PERSISTENT_VOLUME, grown.spec.volumeName)
        assert found.spec.capacity == {"storage": "4Gi"}
        reasons = [e.reason for e in (await world.client.list(EVENT)).items]
        assert {"Resizing", "VolumeResizeSuccessful"} <= set(reasons)

    _Story(story).run()


def test_a_changed_class_of_attributes_has_no_effect_and_an_event_says_so() -> None:
    wants = claim(phase="Bound", volumeName="disk", volumeAttributesClassName="gold")
    wants.status.capacity = {"storage": "1Gi"}
    [event] = texts(expand(wants, volume(claim=wants, phase="Bound"), now=NOW))
    text = "only volumes of CSI drivers have attributes that can be changed"
    assert event == ("Warning", "VolumeModifyFailed", text)


def test_a_pod_with_a_delayed_claim_is_placed_and_its_directory_made() -> None:
    async def story(world: World, directories: MemoryDirectories) -> None:
        delayed = storage_class("delayed", provisioner=PROVISIONER, mode="WaitForFirstConsumer")
        await world.client.create(STORAGE_CLASS, delayed)
        await world.client.create(PERSISTENT_VOLUME_CLAIM, claim(storage_class="delayed"))
        await asyncio.sleep(2)
        assert directories.names == set()
        source = PersistentVolumeClaimVolumeSource(claimName="data")
        pod = waiting_pod(Volume(name="data", persistentVolumeClaim=source))
        pod.spec.schedulerName = "default-scheduler"
        await world.client.create(POD, pod)
        bound = await _claim_in(world, "Bound")
        selected = bound.metadata.annotations["volume.kubernetes.io/selected-node"]
        for _ in range(100):
            placed = await world.client.get(POD, "web-1", "default")
            if placed.spec.nodeName:
                break
            await asyncio.sleep(0.1)
        assert placed.spec.nodeName == selected
        assert len(directories.names) == 1

    _Story(story).run()


def test_a_volume_of_another_maker_is_not_expanded_and_an_event_says_so() -> None:
    wants = claim(size="4Gi", phase="Bound", volumeName="disk")
    wants.status.capacity = {"storage": "1Gi"}
    plan = expand(wants, volume(claim=wants, phase="Bound"), now=NOW)
    assert not plan.update
    assert not plan.status
    [event] = texts(plan)
    assert event[:2] == ("Warning", "ExternalExpanding")
