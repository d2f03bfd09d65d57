"""Images in the store: found by name, ready to run, complete.

<root>/                 mode 0700; an OCI image layout, which other programs can read
    index.json          names, each with the digest of a manifest
    blobs/sha256/       manifests, configs, and layers as they came
    layers/<digest>/fs  unpacked layers, by the digest of their tar archive
    ingest/             what is not complete yet
    leases/             what processes need at the moment (`leases`)
"""

from __future__ import annotations

import os
from pathlib import Path

from fairlead.base.dataclass import dataclass
from fairlead.images.errors import ImageError
from fairlead.images.layers.unpack import Limits
from fairlead.images.manifest import (
    OCI_MANIFEST,
    Descriptor,
    ImageConfig,
    Manifest,
    Platform,
    machine_platform,
    parse_config,
    parse_manifest,
)
from fairlead.images.reference import parse_reference
from fairlead.images.store.blobs import Blobs
from fairlead.images.store.layerdirs import LayerDirs
from fairlead.images.store.leases import Lease
from fairlead.images.store.names import Names, name_of, pulled_digest


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image of the store."""

    name: str
    digest: str
    """The digest of the manifest."""
    pulled: str
    """The digest under which the registry has it; empty: it was loaded or built."""
    manifest: Manifest
    manifest_size: int
    config: ImageConfig

    @property
    def id(self) -> str:
        """Returns the digest of the config, which names an image in every engine."""
        return self.manifest.config.digest

    @property
    def reference(self) -> str:
        """Returns the name with its digest if the image came from a registry; otherwise the id."""
        return f"{parse_reference(self.name).name}@{self.pulled}" if self.pulled else self.id

    @property
    def blobs(self) -> tuple[str, ...]:
        """Returns the digests of the manifest, the config and the layers."""
        return self.digest, self.id, *(layer.digest for layer in self.manifest.layers)

    @property
    def size(self) -> int:
        """Returns the size of its blobs, in bytes."""
        return self.manifest.config.size + sum(layer.size for layer in self.manifest.layers)


class ImageStore:
    """One user's store. `owners`: files keep the owners that layers name (root's store). Within `lease` removals leave
    what is added and what `find_for_use` returns."""

    def __init__(
        self, root: Path, *, owners: bool | None = None, limits: Limits | None = None, lease: Lease | None = None
    ) -> None:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.root = root
        self.lease = lease or Lease(root)
        self.blobs = Blobs(root, self.lease)
        keeps_owners = os.geteuid() == 0 if owners is None else owners
        self.layers = LayerDirs(root, self.lease, owners=keeps_owners, limits=limits or Limits())
        self.names = Names(root)

    @property
    def platform(self) -> Platform:
        return machine_platform(os.uname().machine)

    def find(self, text: str) -> StoredImage | None:
        """Returns the image with this name, or with this id if it is a digest or 12 digits of one. Raises
        ImageError."""
        with self.lease.reading():
            descriptor = self._by_id(text) or self._by_name(text)
            return None if descriptor is None else self.read(descriptor)

    def find_for_use(self, text: str) -> StoredImage | None:
        """Does the same as `find`, and adds all that the image needs to the lease."""
        with self.lease.reading():
            image = self.find(text)
            if image is not None:
                self.lease.add(*image.blobs, *image.config.diff_ids)
            return image

    def _by_name(self, text: str) -> Descriptor | None:
        reference = parse_reference(text)
        if not reference.digest:
            return self.names.find(str(reference))
        for image in self.names.all():
            name = name_of(image)
            same = name.startswith((reference.name + ":", reference.name + "@"))
            if same and reference.digest in (image.digest, pulled_digest(image)):
                return image
        return None

    def _by_id(self, text: str) -> Descriptor | None:
        digits = text.removeprefix("sha256:")
        if len(digits) < 12 or set(digits) - set("0123456789abcdef"):
            return None
        for image in self.names.all():
            if image.digest[7:].startswith(digits) or self.read(image).id[7:].startswith(digits):
                return image
        return None

    def read(self, descriptor: Descriptor) -> StoredImage:
        data = self.blobs.read(descriptor.digest)
        manifest = parse_manifest(data)
        config = parse_config(self.blobs.read(manifest.config.digest))
        pulled = pulled_digest(descriptor)
        return StoredImage(name_of(descriptor), descriptor.digest, pulled, manifest, len(data), config)

    def all(self) -> list[StoredImage]:
        with self.lease.reading():
            return self.read_all()

    def read_all(self) -> list[StoredImage]:
        """Returns all images; call it only as long as nothing can be removed."""
        return [self.read(descriptor) for descriptor in self.names.all()]

    def add(self, name: str, manifest: bytes, *, pulled: str = "") -> StoredImage:
        """Unpacks the layers of an image whose blobs are there, and names it. Raises ImageError."""
        parsed = parse_manifest(manifest)
        config = parse_config(self.blobs.read(parsed.config.digest))
        check_platform(config, self.platform)
        if len(config.diff_ids) != len(parsed.layers):
            raise ImageError(f"the manifest has {len(parsed.layers)} layers, but the config {len(config.diff_ids)}")
        for layer, diff_id in zip(parsed.layers, config.diff_ids, strict=True):
            self.layers.unpack(self.blobs.path(layer.digest), diff_id)
        digest = self.blobs.add(manifest)
        media_type = parsed.mediaType or OCI_MANIFEST
        self.names.assign(name, Descriptor(mediaType=media_type, digest=digest, size=len(manifest)), pulled=pulled)
        return StoredImage(name, digest, pulled, parsed, len(manifest), config)

    def layer_paths(self, image: StoredImage) -> list[str]:
        """Returns the directories of the image's layers, the lowest first; unpacks those that are missing."""
        for layer, diff_id in zip(image.manifest.layers, image.config.diff_ids, strict=True):
            self.layers.unpack(self.blobs.path(layer.digest), diff_id)
        return [str(self.layers.path(diff_id)) for diff_id in image.config.diff_ids]


def check_platform(config: ImageConfig, platform: Platform) -> None:
    """Raises ImageError for an image of another kind of machine. Images without an architecture are let in."""
    own = (platform.os, platform.architecture)
    if (config.os or own[0], config.architecture or own[1]) != own:
        other = f"{config.os}/{config.architecture}"
        raise ImageError(f"the image is for {other}, and this machine is {platform}: get the image for this platform")
