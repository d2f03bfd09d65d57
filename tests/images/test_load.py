"""Archives of images, and the store that they are loaded into."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from fairlead.images.archive.load import load
from fairlead.images.archive.save import save
from fairlead.images.errors import ImageError
from fairlead.images.store.gc import prune, remove
from fairlead.images.store.store import ImageStore
from tests.images.imagemaker import Built, build, docker_archive, entry, gzipped, oci_archive, tar_of

BASE = tar_of(entry("base", "b" * 1000))
TOP = tar_of(entry("top", "t" * 1000))


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "images", owners=False)


def image_of(*layers: bytes) -> Built:
    return build(layers, Cmd=["run"], User="web", WorkingDir="/w")


def test_an_archive_of_docker_save_is_loaded_with_all_its_names(store: ImageStore) -> None:
    built = image_of(BASE, TOP)
    data = docker_archive([(built, ["app:1", "registry.example.com/app:2"])])
    for packed in (data, gzipped(data)):
        names = [image.name for image in load(store, io.BytesIO(packed))]
        assert names == ["docker.io/library/app:1", "registry.example.com/app:2"]
    image = store.find("app:1")
    assert image is not None
    assert (image.id, image.reference) == (built.id, built.id)
    paths = [Path(path) for path in store.layer_paths(image)]
    assert (paths[0] / "base").read_text() == "b" * 1000
    assert (paths[1] / "top").exists()
    assert store.find(built.id[7:19]) == image


def test_an_oci_layout_is_loaded_and_keeps_its_manifest(store: ImageStore) -> None:
    built = build([BASE], packed=[gzipped(BASE)])
    (image,) = load(store, io.BytesIO(oci_archive(built, "docker.io/team/app:3")))
    assert (image.name, image.digest) == ("docker.io/team/app:3", built.digest)
    (other,) = load(store, io.BytesIO(oci_archive(built, "v9")), name="app")
    assert other.name == "docker.io/library/app:latest"


def test_images_share_layers_and_prune_keeps_what_is_needed(store: ImageStore) -> None:
    load(store, io.BytesIO(docker_archive([(image_of(BASE), ["a"]), (image_of(BASE, TOP), ["b"])])))
    assert len(store.layers.diff_ids()) == 2
    assert remove(store, ["b"]) == ["docker.io/library/b:latest"]
    assert prune(store) > 2000
    assert len(store.layers.diff_ids()) == 1
    assert [image.name for image in store.all()] == ["docker.io/library/a:latest"]
    assert prune(store) == 0


def test_a_new_image_takes_over_a_name(store: ImageStore) -> None:
    for built in (image_of(BASE), image_of(TOP)):
        load(store, io.BytesIO(docker_archive([(built, ["a"])])))
    (image,) = store.all()
    assert image.id == image_of(TOP).id


def test_an_image_without_a_name_has_its_id(store: ImageStore) -> None:
    built = image_of(BASE)
    (image,) = load(store, io.BytesIO(docker_archive([(built, [])])))
    assert store.find(built.id) == image


def _with(built: Built, **files: bytes) -> bytes:
    paths = ["l/layer.tar"] * len(built.layers)
    listed = json.dumps([{"Config": "c.json", "RepoTags": ["a"], "Layers": paths}]).encode()
    all_files = {"c.json": built.config, "l/layer.tar": built.layers[0], "manifest.json": listed} | files
    return tar_of(*(entry(name, data) for name, data in all_files.items()))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"hello" * 400, "the tar archive is damaged"),
        (tar_of(entry("a", "b")), "it lacks manifest.json and index.json"),
        (tar_of(entry("manifest.json", "[]")), "the archive is without an image"),
        (tar_of(entry("manifest.json", "{")), "manifest.json in the archive cannot be read"),
        (_with(image_of(BASE), **{"l/layer.tar": TOP}), "but the image's config says"),
        (_with(image_of(BASE), **{"c.json": b"{}"}), "the image's config cannot be read"),
        (_with(build([BASE], architecture="s390x")), "the image is for linux/s390x"),
        (_with(image_of(tar_of(entry("../x", "y")))), "leads out of the layer"),
        (tar_of(entry("manifest.json", '[{"Config": "no.json"}]')), 'the archive lacks "no.json"'),
    ],
)
def test_a_damaged_or_hostile_archive_leaves_nothing_behind(data: bytes, why: str, store: ImageStore) -> None:
    with pytest.raises(ImageError) as caught:
        load(store, io.BytesIO(data))
    assert why in str(caught.value)
    assert (store.all(), store.blobs.digests(), store.layers.diff_ids()) == ([], [], [])
    assert [path.name for path in store.blobs.ingest.iterdir() if not path.name.startswith("lock-")] == []


def test_a_saved_archive_gives_the_same_image_again(store: ImageStore, tmp_path: Path) -> None:
    built = build([BASE, TOP], packed=[gzipped(BASE), gzipped(TOP)])
    (image,) = load(store, io.BytesIO(oci_archive(built, "docker.io/team/app:3")))
    archive = io.BytesIO()
    save(store, [image], archive)
    other = ImageStore(tmp_path / "other", owners=False)
    (again,) = load(other, io.BytesIO(archive.getvalue()))
    assert (again.name, again.id) == (image.name, image.id)
    with tarfile.open(fileobj=io.BytesIO(archive.getvalue())) as tar:
        assert {"oci-layout", "index.json", "manifest.json"} <= set(tar.getnames())


def test_prune_keeps_the_layers_of_containers(store: ImageStore) -> None:
    (image,) = load(store, io.BytesIO(docker_archive([(image_of(BASE), ["a"])])))
    remove(store, ["a"])
    assert prune(store, in_use=lambda: image.config.diff_ids) > 0
    assert store.layers.diff_ids() == image.config.diff_ids
    assert prune(store) > 0
    assert (store.layers.diff_ids(), store.blobs.digests()) == ([], [])
