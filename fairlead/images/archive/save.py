"""Saves images as an archive that Docker, podman and containerd load: an OCI image layout with `manifest.json`."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from typing import IO

import msgspec

from fairlead.images.errors import ImageError
from fairlead.images.manifest import OCI_INDEX, OCI_MANIFEST, Descriptor, annotated
from fairlead.images.reference import short
from fairlead.images.store.names import NAME
from fairlead.images.store.store import ImageStore, StoredImage

_CONTAINERD_NAME = "io.containerd.image.name"


def save(store: ImageStore, images: Sequence[StoredImage], target: IO[bytes]) -> None:
    """Writes the archive: the same bytes for the same images. Raises ImageError."""
    blobs = _blobs(store, images)
    with tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for digest in blobs:
            path = store.blobs.path(digest)
            with open(path, "rb") as file:
                tar.addfile(_header(_place(digest), path.stat().st_size), file)
        for name, text in _texts(images).items():
            tar.addfile(_header(name, len(text)), io.BytesIO(text))


def _blobs(store: ImageStore, images: Sequence[StoredImage]) -> list[str]:
    """Returns the digests of all blobs. Layers that came with another image may lack theirs."""
    digests = dict.fromkeys(
        digest for i in images for digest in (i.digest, i.id, *(layer.digest for layer in i.manifest.layers))
    )
    for digest in digests:
        if not store.blobs.has(digest):
            raise ImageError(f"the store has the layer {digest} only unpacked: pull or load its image again")
    return list(digests)


def _texts(images: Sequence[StoredImage]) -> dict[str, bytes]:
    manifests = [
        annotated(
            Descriptor(mediaType=i.manifest.mediaType or OCI_MANIFEST, digest=i.digest, size=i.manifest_size),
            {NAME: i.name, _CONTAINERD_NAME: i.name},
        )
        for i in images
    ]
    docker = [
        {
            "Config": _place(i.id),
            "RepoTags": [] if "@" in i.name else [short(i.name)],
            "Layers": [_place(layer.digest) for layer in i.manifest.layers],
        }
        for i in images
    ]
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}
    return {
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        "index.json": msgspec.json.encode(index),
        "manifest.json": json.dumps(docker).encode(),
    }


def _place(digest: str) -> str:
    return f"blobs/sha256/{digest[7:]}"


def _header(name: str, size: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.size, header.mode = size, 0o644
    return header
