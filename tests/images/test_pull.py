"""Pulls from a registry on loopback into a store."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from fairlead.images.errors import ImageError
from fairlead.images.manifest import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, digest_of
from fairlead.images.reference import parse_reference
from fairlead.images.registry.credentials import Credential
from fairlead.images.registry.pull import Progress, pull
from fairlead.images.registry.settings import Registries, read_registries
from fairlead.images.registry.settings import Registry as Mirrored
from fairlead.images.store.store import ImageStore, StoredImage
from tests.images.imagemaker import MACHINE, Built, build, entry, gzipped, tar_of
from tests.images.registryserver import PASSWORD, USER, Registry, serving

LOWER, UPPER = tar_of(entry("a", os.urandom(300_000))), tar_of(entry("b", "b"))
HUB = Registries((), "host")


@pytest.fixture
def registry() -> Iterator[Registry]:
    with serving() as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "images", owners=False)


def fetch(store: ImageStore, name: str, *credentials: Credential, registries: Registries = HUB) -> StoredImage:
    return asyncio.run(pull(store, parse_reference(name), registries=registries, credentials=credentials))


def an_image() -> Built:
    return build([LOWER, UPPER], packed=[gzipped(LOWER), gzipped(UPPER)], types=[OCI_LAYER + "+gzip"] * 2)


def test_an_image_is_pulled_verified_and_named(registry: Registry, store: ImageStore) -> None:
    digest = registry.push("team/app", "1", an_image())
    image = fetch(store, f"{registry.host}/team/app:1")
    assert image.reference == f"{registry.host}/team/app@{digest}"
    assert (Path(store.layer_paths(image)[1]) / "b").read_text() == "b"
    assert store.find(f"{registry.host}/team/app@{digest}") == image
    before = sum(registry.requests.values())
    fetch(store, f"{registry.host}/team/app:1")
    assert sum(registry.requests.values()) == before + 1  # the manifest: all else is there


@pytest.mark.parametrize("kind", [OCI_INDEX, DOCKER_LIST])
def test_an_index_leads_to_this_machines_platform(kind: str, registry: Registry, store: ImageStore) -> None:
    other, own = build([UPPER], architecture="s390x"), an_image()
    manifests = []
    for image, architecture in ((other, "s390x"), (own, MACHINE.architecture)):
        registry.push("app", "x", image)
        platform = {"os": "linux", "architecture": architecture}
        manifests.append(
            {"mediaType": OCI_MANIFEST, "digest": image.digest, "size": len(image.manifest), "platform": platform}
        )
    index = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": manifests}).encode()
    digest = registry.push_manifest("app", "1", index, kind)
    pulled = fetch(store, f"{registry.host}/app:1")
    assert (pulled.id, pulled.pulled, pulled.digest) == (own.id, digest, own.digest)
    only_other = json.dumps({"manifests": manifests[:1]}).encode()
    registry.push_manifest("app", "2", only_other, kind)
    with pytest.raises(ImageError, match=r"no matching manifest for linux/.* list entries: linux/s390x"):
        fetch(store, f"{registry.host}/app:2")


def test_zstd_layers_and_dockers_schema_2_are_pulled(registry: Registry, store: ImageStore) -> None:
    packed = build([LOWER], packed=[zstandard.compress(LOWER)], types=[OCI_LAYER + "+zstd"])
    registry.push("zstd", "1", packed)
    docker = an_image()
    text = docker.manifest.replace(OCI_MANIFEST.encode(), DOCKER_MANIFEST.encode())
    registry.push("docker", "1", docker)
    registry.push_manifest("docker", "1", text, DOCKER_MANIFEST)
    for name in ("zstd", "docker"):
        assert fetch(store, f"{registry.host}/{name}:1").size > 0


def test_a_broken_download_goes_on_from_its_end(registry: Registry, store: ImageStore) -> None:
    registry.push("app", "1", an_image())
    registry.break_after = 100_000
    fetch(store, f"{registry.host}/app:1")
    assert registry.requests["resumed"] == 3
    assert registry.requests[digest_of(gzipped(LOWER))] == 4


def test_what_an_earlier_pull_has_fetched_is_not_fetched_again(registry: Registry, store: ImageStore) -> None:
    registry.push("app", "1", an_image())
    part = store.blobs.ingest / f"{digest_of(gzipped(LOWER))[7:]}.part"
    part.write_bytes(gzipped(LOWER)[:1000])
    fetch(store, f"{registry.host}/app:1")
    assert registry.requests["resumed"] == 1
    assert not list(store.blobs.ingest.glob("*.part"))


def test_other_bytes_than_the_digest_says_are_refused(registry: Registry, store: ImageStore) -> None:
    digest = registry.push("app", "1", an_image())
    registry.wrong.add(digest_of(gzipped(LOWER)))
    with pytest.raises(ImageError, match=r"the registry sent sha256:\w+ \(\d+ bytes\) for sha256:"):
        fetch(store, f"{registry.host}/app:1")
    registry.wrong = {digest}
    with pytest.raises(ImageError, match=f"the registry sent sha256:.* for {digest}"):
        fetch(store, f"{registry.host}/app@{digest}")
    assert store.all() == []
    assert digest_of(LOWER) not in store.layers.diff_ids()


@pytest.mark.parametrize("auth", ["basic", "bearer"])
def test_credentials_are_tried_until_one_is_accepted(auth: str, registry: Registry, store: ImageStore) -> None:
    registry.auth = "basic" if auth == "basic" else "bearer"
    registry.push("app", "1", an_image())
    with pytest.raises(ImageError, match=r"credentials are required|the credentials .* are refused|401"):
        fetch(store, f"{registry.host}/app:1")
    fetch(store, f"{registry.host}/app:1", Credential("bob", "no"), Credential(USER, PASSWORD))


def test_a_mirror_is_asked_first_and_alone_if_only_it_is_allowed(registry: Registry, store: ImageStore) -> None:
    digest = registry.push("library/thing", "1", an_image())
    mirrored = Registries((Mirrored("docker.io", (f"http://{registry.host}",)),), registry.host)
    assert fetch(store, "thing:1", registries=mirrored).reference == f"docker.io/library/thing@{digest}"
    with pytest.raises(ImageError, match=r"404 manifest unknown"):
        fetch(store, "other:1", registries=mirrored)


@pytest.mark.parametrize("allowed", ["none", "registry.example.com"])
def test_a_registry_that_is_not_allowed_is_not_asked(allowed: str, registry: Registry, store: ImageStore) -> None:
    registry.push("app", "1", an_image())
    with pytest.raises(ImageError, match=r"nodes may not pull from 127\.0\.0\.1"):
        fetch(store, f"{registry.host}/app:1", registries=Registries((), allowed))
    assert not registry.requests


def test_a_registry_that_does_not_answer_is_named(store: ImageStore) -> None:
    with pytest.raises(ImageError, match=r"127\.0\.0\.1:1 cannot be reached"):
        fetch(store, "127.0.0.1:1/app:1")


def test_progress_ends_at_the_size(registry: Registry, store: ImageStore) -> None:
    registry.push("app", "1", an_image())
    seen: list[Progress] = []
    name = parse_reference(f"{registry.host}/app:1")
    image = asyncio.run(pull(store, name, registries=HUB, report=seen.append))
    assert seen[-1] == Progress(image.size, image.size)
    assert [p.done for p in seen] == sorted(p.done for p in seen)


def test_faults_of_the_settings_are_named_by_their_path(tmp_path: Path) -> None:
    file = tmp_path / "registries.toml"
    assert read_registries(file, allowed="host") == HUB
    file.write_text('[[registry]]\nname = "docker.io"\nmirrors = "x"\n')
    with pytest.raises(ImageError, match=r"registry\[0\].mirrors: expected a list of strings"):
        read_registries(file, allowed="host")
