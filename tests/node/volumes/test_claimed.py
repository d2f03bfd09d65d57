"""Volumes of claims on a node: how they are mounted, and why they are not."""

from __future__ import annotations

import asyncio
import os
import random
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fairlead.api.core.persistentvolume import PERSISTENT_VOLUME
from fairlead.api.core.persistentvolume.types import PersistentVolume
from fairlead.api.core.persistentvolumeclaim import PERSISTENT_VOLUME_CLAIM
from fairlead.api.core.persistentvolumeclaim.kind import PersistentVolumeClaim
from fairlead.api.core.pod.containers.container import VolumeDevice
from fairlead.api.core.pod.kind import Pod
from fairlead.base.clock import FakeClock
from fairlead.base.ids import RandomIds
from fairlead.node.runtime.protocol.containerspec import Mount
from fairlead.node.volumes.contents import VolumeProblem
from fairlead.node.volumes.ownership import give_to_group
from fairlead.node.volumes.podfiles import PodFiles
from fairlead.node.volumes.podvolumes import PodVolumes, check_mount
from fairlead.node.volumes.usage import measure
from fairlead.runtime.fake import FakeClient
from fairlead.storage.wellknown import PROVISIONED_BY, PROVISIONER
from tests.node.makers import no_image, pod


def pod_with(source: dict[str, Any], **mount: Any) -> Pod:
    container = {"name": "c", "image": "x", "volumeMounts": [{"name": "v", "mountPath": "/v"} | mount]}
    return pod(containers=[container], volumes=[{"name": "v"} | source])


def claimed(**source: Any) -> dict[str, Any]:
    return {"persistentVolumeClaim": {"claimName": "data"} | source}


class Node:
    """A node's view of one claim and its volume."""

    def __init__(self, tmp_path: Path) -> None:
        clock = FakeClock()
        self.root = tmp_path
        self.client = FakeClient(clock=clock, ids=RandomIds(random.Random(1)))
        self._clock = clock
        self.pods: list[Pod] = []
        (tmp_path / "volumes").mkdir(exist_ok=True)

    async def add_claim(
        self,
        *,
        phase: str = "Bound",
        volume: str = "pv",
        modes: tuple[str, ...] = ("ReadWriteOnce",),
        **meta: Any,
    ) -> PersistentVolumeClaim:
        tree = {
            "metadata": {"name": "data", "namespace": "ns"} | meta,
            "spec": {"accessModes": list(modes), "volumeName": volume},
            "status": {"phase": phase},
        }
        made = await self.client.create(PERSISTENT_VOLUME_CLAIM, msgspec.convert(tree, PersistentVolumeClaim))
        made.status.phase = phase
        return await self.client.update(PERSISTENT_VOLUME_CLAIM, made, subresource="status")

    async def add_volume(self, uid: str, **spec: Any) -> None:
        ref = {"namespace": "ns", "name": "data", "uid": uid}
        tree = {"metadata": {"name": "pv"}, "spec": {"accessModes": ["ReadWriteOnce"], "claimRef": ref} | spec}
        await self.client.create(PERSISTENT_VOLUME, msgspec.convert(tree, PersistentVolume))

    async def mount(self, p: Pod) -> Mount:
        volumes = PodVolumes(
            PodFiles(str(self.root), p.metadata),
            client=self.client,
            images=no_image,
            clock=self._clock,
            allocatable={},
            masked=(str(self.root),),
            directories=f"{self.root}/volumes",
            others=lambda: self.pods,
        )
        await volumes.fetch(p)
        volumes.set_up(p)
        await volumes.give_to_group(p)
        [mount] = volumes.mounts_of(p, p.spec.containers[0], {})
        return mount

    async def problem(self, p: Pod) -> str:
        with pytest.raises(VolumeProblem) as caught:
            await self.mount(p)
        return str(caught.value)


def test_a_directory_of_the_provisioner_is_mounted_although_pods_may_not_see_its_folder(tmp_path: Path) -> None:
    async def story() -> None:
        node = Node(tmp_path)
        (tmp_path / "volumes/x").mkdir()
        claim = await node.add_claim()
        await node.add_volume(claim.metadata.uid, hostPath={"path": f"{tmp_path}/volumes/x", "type": "Directory"})
        mount = await node.mount(pod_with(claimed(), subPath="db"))
        assert (mount.source, mount.read_only, mount.sub_path) == (f"{tmp_path}/volumes/x", False, "db")
        check_mount(mount, (str(tmp_path),))
        assert (tmp_path / "volumes/x/db").is_dir()
        assert (await node.mount(pod_with(claimed(readOnly=True)))).read_only
        assert (await node.mount(pod_with(claimed(), readOnly=True))).read_only

    asyncio.run(story())


def test_a_directory_is_found_after_the_clusters_folder_was_moved(tmp_path: Path) -> None:
    async def story() -> None:
        node = Node(tmp_path)
        (tmp_path / "volumes/x").mkdir()
        claim = await node.add_claim()
        ref = {"namespace": "ns", "name": "data", "uid": claim.metadata.uid}
        tree = {
            "metadata": {"name": "pv", "annotations": {PROVISIONED_BY: PROVISIONER}},
            "spec": {"claimRef": ref, "hostPath": {"path": "/former/volumes/x", "type": "Directory"}},
        }
        await node.client.create(PERSISTENT_VOLUME, msgspec.convert(tree, PersistentVolume))
        assert (await node.mount(pod_with(claimed()))).source == f"{tmp_path}/volumes/x"

    asyncio.run(story())


def test_a_volume_marked_as_provisioned_does_not_show_the_folder_of_all_volumes(tmp_path: Path) -> None:
    async def story() -> None:
        node = Node(tmp_path)
        claim = await node.add_claim()
        ref = {"namespace": "ns", "name": "data", "uid": claim.metadata.uid}
        tree = {
            "metadata": {"name": "pv", "annotations": {PROVISIONED_BY: PROVISIONER}},
            "spec": {"claimRef": ref, "hostPath": {"path": "/"}},
        }
        await node.client.create(PERSISTENT_VOLUME, msgspec.convert(tree, PersistentVolume))
        assert "volume pv has the hostPath /" in await node.problem(pod_with(claimed()))

    asyncio.run(story())


@pytest.mark.parametrize("path", ["{root}/volumes", "{root}/volumes/x/y", "{root}/nodes", "{root}/volumes/../nodes"])
def test_a_volume_made_by_hand_does_not_show_another_part_of_the_clusters_folder(tmp_path: Path, path: str) -> None:
    async def story() -> None:
        node = Node(tmp_path)
        for name in ("volumes/x/y", "nodes"):
            (tmp_path / name).mkdir(parents=True)
        claim = await node.add_claim()
        at = path.format(root=tmp_path)
        await node.add_volume(claim.metadata.uid, hostPath={"path": at, "type": "Directory"})
        assert "directory that pods may not see" in await node.problem(pod_with(claimed()))

    asyncio.run(story())


def test_a_directory_that_is_gone_is_not_made_again(tmp_path: Path) -> None:
    async def story() -> None:
        node = Node(tmp_path)
        claim = await node.add_claim()
        at = f"{tmp_path}/volumes/x"
        await node.add_volume(claim.metadata.uid, hostPath={"path": at, "type": "Directory"})
        text = f"{at} does not exist: the data of the volume is gone, so delete its claim"
        expected = f'MountVolume.SetUp failed for volume "pv" : {text}'
        assert await node.problem(pod_with(claimed())) == expected
        assert not list((tmp_path / "volumes").iterdir())

    asyncio.run(story())


def test_a_local_volume_must_exist_and_be_a_directory(tmp_path: Path) -> None:
    async def story() -> None:
        outside = tmp_path / "outside"
        state = tmp_path / "state"
        state.mkdir()
        node = Node(state)
        claim = await node.add_claim()
        await node.add_volume(claim.metadata.uid, local={"path": str(outside)})
        p = pod_with(claimed())
        head = 'MountVolume.SetUp failed for volume "pv" : path'
        assert await node.problem(p) == f'{head} "{outside}" does not exist'
        outside.write_text("")
        assert (await node.problem(p)).startswith(f'{head} "{outside}" is not a directory')
        outside.unlink()
        outside.mkdir()
        mount = await node.mount(p)
        assert (mount.source, mount.host_path_type) == (str(outside), "Directory")

    asyncio.run(story())


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        (
            {"volumeMode": "Block", "local": {"path": "/dev/sda"}},
            "volume pv is a block volume, which fairlead's nodes cannot map: use volumeMode Filesystem",
        ),
        (
            {"mountOptions": ["ro"], "local": {"path": "/x"}},
            "volume pv has mountOptions, which a directory cannot have",
        ),
        (
            {"local": {"path": "/x", "fsType": "ext4"}},
            "volume pv is a device with an fsType, which fairlead's nodes cannot mount",
        ),
        (
            {"csi": {"driver": "a.b", "volumeHandle": "1"}},
            "volumes of the type csi are not supported by fairlead's nodes: use local or hostPath",
        ),
    ],
)
def test_a_volume_that_no_node_can_mount_is_refused_with_the_reason(
    tmp_path: Path, spec: dict[str, Any], why: str
) -> None:
    async def story() -> None:
        node = Node(tmp_path)
        claim = await node.add_claim()
        await node.add_volume(claim.metadata.uid, **spec)
        assert (await node.problem(pod_with(claimed()))).endswith(f"error processing PVC ns/data: {why}")

    asyncio.run(story())


def test_a_claim_that_is_not_bound_keeps_its_pod_waiting(tmp_path: Path) -> None:
    async def story() -> None:
        node = Node(tmp_path)
        head = "Unable to attach or mount volumes: unmounted volumes=[v], unattached volumes=[], "
        head += "failed to process volumes=[v]: error processing PVC ns/data: "
        p = pod_with(claimed())
        assert (await node.problem(p)).startswith(f"{head}failed to fetch PVC from API server: ")
        claim = await node.add_claim(phase="Pending")
        assert await node.problem(p) == f"{head}PVC is not bound"
        claim.status.phase = "Bound"
        await node.client.update(PERSISTENT_VOLUME_CLAIM, claim, subresource="status")
        assert (await node.problem(p)).startswith(f"{head}failed to fetch PV pv from API server: ")
        await node.add_volume("another", local={"path": "/x"})
        assert "does not point to claim.UID" in await node.problem(p)

    asyncio.run(story())


def test_a_claim_whose_binding_is_complete_is_mounted_before_its_phase_is_written(tmp_path: Path) -> None:
    async def story() -> None:
        node = Node(tmp_path)
        claim = await node.add_claim(phase="Pending")
        claim.metadata.annotations["pv.kubernetes.io/bind-completed"] = "yes"
        claim = await node.client.update(PERSISTENT_VOLUME_CLAIM, claim)
        assert "failed to fetch PV pv" in await node.problem(pod_with(claimed()))
        claim.status.phase = "Lost"
        await node.client.update(PERSISTENT_VOLUME_CLAIM, claim, subresource="status")
        assert (await node.problem(pod_with(claimed()))).endswith("PVC is not bound")

    asyncio.run(story())


def test_a_directory_is_not_mapped_as_a_device(tmp_path: Path) -> None:
    async def story() -> None:
        node = Node(tmp_path)
        claim = await node.add_claim()
        await node.add_volume(claim.metadata.uid, local={"path": "/tmp"})
        p = pod_with(claimed())
        p.spec.containers[0].volumeDevices = [VolumeDevice(name="v", devicePath="/dev/v")]
        why = "volume v has volumeMode Filesystem, but is specified in volumeDevices"
        assert (await node.problem(p)).endswith(why)

    asyncio.run(story())


def test_a_claim_for_one_pod_goes_to_the_pod_that_runs_and_then_to_the_older(tmp_path: Path) -> None:
    async def story() -> None:
        node = Node(tmp_path)
        claim = await node.add_claim(modes=("ReadWriteOncePod",))
        (tmp_path / "volumes/x").mkdir()
        await node.add_volume(claim.metadata.uid, hostPath={"path": f"{tmp_path}/volumes/x", "type": ""})
        old, new = pod_with(claimed()), pod_with(claimed())
        old.metadata.name, old.metadata.uid, old.metadata.creationTimestamp = "old", "u-old", "2026-01-01T00:00:00Z"
        new.metadata.creationTimestamp = "2026-01-01T00:00:09Z"
        text = "volume uses the ReadWriteOncePod access mode and is already in use by another pod"
        node.pods = [old, new]
        assert await node.problem(new) == f'MountVolume.SetUp failed for volume "pv" : {text}'
        await node.mount(old)
        new.status.phase = "Running"
        await node.mount(new)
        assert text in await node.problem(old)
        new.status.phase = "Succeeded"
        await node.mount(old)

    asyncio.run(story())


def test_a_claim_of_another_owner_is_not_mounted_as_an_ephemeral_volume(tmp_path: Path) -> None:
    async def story() -> None:
        node = Node(tmp_path)
        p = pod_with({"ephemeral": {"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"]}}}})
        await node.add_claim(name=f"{p.metadata.name}-v")
        assert "PVC was not created for pod" in await node.problem(p)

    asyncio.run(story())


def test_the_pods_group_gets_the_files_without_following_links(tmp_path: Path) -> None:
    volume, outside = tmp_path / "volume", tmp_path / "outside"
    (volume / "folder").mkdir(parents=True)
    (volume / "folder/file").write_text("")
    (volume / "folder/file").chmod(0o600)
    outside.write_text("")
    outside.chmod(0o600)
    (volume / "link").symlink_to(outside)
    group = os.getgid()
    give_to_group(str(volume), group, only_if_root_differs=False)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (volume, volume / "folder", volume / "folder/file")}
    assert [mode & 0o7770 for mode in modes.values()] == [0o2770, 0o2770, 0o660]
    assert stat.S_IMODE(outside.stat().st_mode) == 0o600


def test_files_stay_as_they_are_if_the_policy_looks_at_the_root_only(tmp_path: Path) -> None:
    group = os.getgid()
    give_to_group(str(tmp_path), group, only_if_root_differs=True)
    (tmp_path / "later").write_text("")
    (tmp_path / "later").chmod(0o600)
    give_to_group(str(tmp_path), group, only_if_root_differs=True)
    assert stat.S_IMODE((tmp_path / "later").stat().st_mode) == 0o600
    give_to_group(str(tmp_path), group, only_if_root_differs=False)
    assert stat.S_IMODE((tmp_path / "later").stat().st_mode) == 0o660


def test_a_volumes_usage_counts_each_file_once(tmp_path: Path) -> None:
    before = measure(str(tmp_path))
    (tmp_path / "a").write_bytes(b"x" * 1_000_000)
    os.link(tmp_path / "a", tmp_path / "b")
    (tmp_path / "c").symlink_to("/usr")
    after = measure(str(tmp_path))
    assert 1_000_000 <= after.used - before.used < 1_100_000
    assert after.inodes_used - before.inodes_used == 2
    assert after.capacity > after.available > 0
