"""The images that a node's status lists, and the removal of unused ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fairlead.images.store.store import ImageStore
from fairlead.node.images.inventory import Collected, ImageInventory, mark_used
from tests.images.imagemaker import build, entry, tar_of

NOW = 1_000_000.0


def add(store: ImageStore, name: str, *, pulled: bool, used_at: float) -> list[str]:
    """Adds an image with one layer; returns the paths of its layers."""
    built = build([tar_of(entry("name", name * 1000))])
    for blob in (built.config, *built.layers):
        store.blobs.add(blob)
    image = store.add(name, built.manifest, pulled=f"sha256:{'a' * 64}" if pulled else "")
    os.utime(store.blobs.path(image.digest), (used_at, used_at))
    return store.layer_paths(image)


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / ".images")


def names(tmp_path: Path) -> set[str]:
    return {image.name for image in ImageStore(tmp_path / ".images").all()}


def collect(tmp_path: Path, *used: float) -> Collected | None:
    """Collects on a disk whose use is given, once for each question."""
    answers = list(used)
    here = ImageInventory(
        str(tmp_path / ".images"), str(tmp_path), used=lambda _: answers.pop(0) if len(answers) > 1 else answers[0]
    )
    return here.collect(high=85, low=80, minimum_age_s=120.0, now=NOW)


def test_images_are_listed_by_size_with_their_names(store: ImageStore, tmp_path: Path) -> None:
    add(store, "docker.io/library/small:1", pulled=True, used_at=NOW)
    add(store, "docker.io/library/very-much-larger:1", pulled=False, used_at=NOW)
    here = ImageInventory(str(tmp_path / ".images"), str(tmp_path))
    listed = here.list(-1)
    assert [image.names[0] for image in listed] == ["docker.io/library/very-much-larger:1", "docker.io/library/small:1"]
    assert listed[1].names[1] == f"docker.io/library/small@sha256:{'a' * 64}"
    assert listed[0].sizeBytes > listed[1].sizeBytes > 0
    assert here.list(1) == listed[:1]
    assert ImageInventory(str(tmp_path / "none"), "").list(-1) == []


def test_the_image_that_was_unused_longest_goes_first_until_there_is_room(store: ImageStore, tmp_path: Path) -> None:
    for number in range(3):
        add(store, f"docker.io/library/old:{number}", pulled=True, used_at=NOW - 1000 + number)
    result = collect(tmp_path, 90.0, 86.0, 79.0, 79.0)
    assert result is not None
    assert result.removed == ("docker.io/library/old:0", "docker.io/library/old:1")
    assert names(tmp_path) == {"docker.io/library/old:2"}
    assert len(list((tmp_path / ".images/layers").glob("*"))) == 1


def test_images_in_use_young_ones_and_those_without_a_registry_stay(store: ImageStore, tmp_path: Path) -> None:
    layers = add(store, "docker.io/library/used:1", pulled=True, used_at=NOW - 1000)
    add(store, "docker.io/library/young:1", pulled=True, used_at=NOW - 100)
    add(store, "docker.io/library/loaded:1", pulled=False, used_at=NOW - 1000)
    record = tmp_path / "cluster/nodes/node1/pods/p/root/main/0/layers"
    record.parent.mkdir(parents=True)
    record.write_text("".join(f"{layer}\n" for layer in layers))
    result = collect(tmp_path, 90.0)
    assert result is not None
    assert result.removed == ()
    assert len(names(tmp_path)) == 3


def test_nothing_is_removed_as_long_as_there_is_room(store: ImageStore, tmp_path: Path) -> None:
    add(store, "docker.io/library/old:1", pulled=True, used_at=0.0)
    assert collect(tmp_path, 84.9) is None
    assert names(tmp_path) == {"docker.io/library/old:1"}


def test_each_use_counts(store: ImageStore, tmp_path: Path) -> None:
    add(store, "docker.io/library/old:1", pulled=True, used_at=0.0)
    image = store.find("old:1")
    assert image is not None
    mark_used(store, image)
    assert os.stat(store.blobs.path(image.digest)).st_mtime > NOW
