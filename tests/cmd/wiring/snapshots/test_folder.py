"""Snapshots on the disk."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from fairlead.cmd.wiring.snapshots import volumes
from fairlead.cmd.wiring.snapshots.folder import FORMAT, Folders, NoSuchSnapshot, Snapshot, SnapshotError

OBJECTS = {"/registry/pods/a": b'{"metadata":{"name":"a"}}'}


def snapshot(name: str, **parts: int) -> Snapshot:
    described = Snapshot(name, "2026-01-01T00:00:00Z", objects=1, volumes=0, bytes=0, revision=7, fairlead="9.9")
    return msgspec.structs.replace(described, **parts)


def save(folders: Folders, name: str, **parts: int) -> None:
    folders.begin(name).write(snapshot(name, **parts), OBJECTS)
    folders.finish(name)


def test_a_snapshot_is_read_as_it_was_written(tmp_path: Path) -> None:
    folders = Folders(tmp_path / "snapshots")
    save(folders, "one")
    assert folders.all() == [snapshot("one")]
    assert folders.of("one").read_objects() == OBJECTS
    assert (tmp_path / "snapshots").stat().st_mode & 0o777 == 0o700


def test_a_snapshot_that_is_not_complete_is_not_listed_and_does_not_stop_the_next(tmp_path: Path) -> None:
    folders = Folders(tmp_path / "snapshots")
    folders.begin("one")
    assert folders.all() == []
    save(folders, "one")
    assert [one.name for one in folders.all()] == ["one"]


def test_saving_again_replaces_a_snapshot(tmp_path: Path) -> None:
    folders = Folders(tmp_path / "snapshots")
    save(folders, "one")
    save(folders, "one", revision=9)
    assert [one.revision for one in folders.all()] == [9]


def test_a_deleted_snapshot_is_gone(tmp_path: Path) -> None:
    folders = Folders(tmp_path / "snapshots")
    save(folders, "one")
    assert folders.delete("one")
    assert not folders.delete("one")
    with pytest.raises(NoSuchSnapshot, match='there is no snapshot "one"'):
        folders.of("one").describe()


def test_a_snapshot_that_disappears_during_the_listing_is_left_out(tmp_path: Path) -> None:
    folders = Folders(tmp_path / "snapshots")
    save(folders, "one")
    (tmp_path / "snapshots/two").symlink_to(tmp_path / "missing")  # listed, but not there when it is read
    assert [one.name for one in folders.all()] == ["one"]


def test_snapshots_can_be_listed_and_measured_while_others_are_deleted(tmp_path: Path) -> None:
    folders = Folders(tmp_path / "snapshots")
    save(folders, "kept")

    def change() -> None:
        for _ in range(100):
            save(folders, "gone")
            folders.delete("gone")

    with ThreadPoolExecutor(1) as pool:
        changes = pool.submit(change)
        while not changes.done():
            assert {one.name for one in folders.all()} <= {"kept", "gone"}
            assert volumes.size_of(tmp_path) > 0
        changes.result()
    assert sorted(path.name for path in folders.root.iterdir()) == ["kept"]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "A", "a_b", "-a", "a" * 64])
def test_a_name_that_could_lead_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SnapshotError, match="invalid name"):
        Folders(tmp_path).begin(name)


def test_a_snapshot_of_a_newer_release_is_refused_by_name(tmp_path: Path) -> None:
    folders = Folders(tmp_path / "snapshots")
    save(folders, "one", format=FORMAT + 1)
    with pytest.raises(SnapshotError, match=r"made by a newer release, 9\.9"):
        folders.of("one").describe()


def test_a_damaged_snapshot_is_named_with_the_folder_to_delete(tmp_path: Path) -> None:
    folders = Folders(tmp_path / "snapshots")
    save(folders, "one")
    (tmp_path / "snapshots/one/snapshot.json").write_text("{")
    with pytest.raises(SnapshotError, match=f"damaged .*delete {tmp_path}/snapshots/one"):
        folders.all()


def test_volumes_are_copied_with_links_and_modes_and_missing_ones_are_skipped(tmp_path: Path) -> None:
    pod = {"metadata": {"namespace": "n", "name": "p", "uid": "u"}, "spec": {"nodeName": "node1", "volumes": [{}]}}
    plain = {"metadata": {"namespace": "n", "name": "q", "uid": "v"}, "spec": {"nodeName": "node1"}}
    objects = {
        "/registry/pods/n/p": msgspec.json.encode(pod),
        "/registry/pods/n/q": msgspec.json.encode(plain),
        "/registry/pods/n/r": msgspec.json.encode(pod | {"metadata": {"namespace": "n", "name": "r", "uid": "w"}}),
    }
    folders = volumes.folders_of(objects)
    assert folders == ["nodes/node1/pods/n_p_u/volumes", "nodes/node1/pods/n_r_w/volumes", "volumes"]
    source = tmp_path / "cluster/nodes/node1/pods/n_p_u/volumes/data"
    source.mkdir(parents=True)
    (source / "file").write_text("text")
    (source / "file").chmod(0o751)
    (source / "link").symlink_to("file")
    (source / "sub").mkdir(mode=0o700)
    assert volumes.copy(tmp_path / "cluster", tmp_path / "copy", folders) == folders[:1]
    copied = tmp_path / "copy/nodes/node1/pods/n_p_u/volumes/data"
    assert (copied / "file").read_text() == "text"
    assert (copied / "file").stat().st_mode & 0o777 == 0o751
    assert (copied / "link").is_symlink()
    assert volumes.size_of(tmp_path / "copy") >= 4


def test_a_snapshot_that_leads_to_another_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere/pods").mkdir(parents=True)
    (tmp_path / "saved/volumes").mkdir(parents=True)
    (tmp_path / "saved/nodes").symlink_to(tmp_path / "elsewhere")
    volumes.check_inside(tmp_path / "saved", ["volumes", "absent"])
    for folder in ("nodes", "nodes/pods", "nodes/../volumes", "../elsewhere"):
        with pytest.raises(volumes.CopyError, match="leads to another place"):
            volumes.check_inside(tmp_path / "saved", [folder])


def test_restored_volumes_replace_what_is_there(tmp_path: Path) -> None:
    for name, text in (("saved", "old"), ("cluster", "new")):
        (tmp_path / name / "volumes/pv").mkdir(parents=True)
        (tmp_path / name / "volumes/pv/file").write_text(text)
    (tmp_path / "cluster/volumes/later").mkdir()
    volumes.copy(tmp_path / "saved", tmp_path / "cluster", ["volumes"])
    assert [path.name for path in (tmp_path / "cluster/volumes").iterdir()] == ["pv"]
    assert (tmp_path / "cluster/volumes/pv/file").read_text() == "old"


def test_an_emptied_folder_stays_and_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    (tmp_path / "volumes/pv/deep").mkdir(parents=True)
    (tmp_path / "volumes/link").symlink_to(outside)
    volumes.empty(tmp_path, "volumes")
    assert list((tmp_path / "volumes").iterdir()) == []
    assert (outside / "file").exists()
