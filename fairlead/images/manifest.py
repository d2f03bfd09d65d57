"""Manifests, indexes and configs of images: OCI's media types and Docker's (schema 2). Pure.

Source: OCI image specification 1.1 (`image-index.md`, `manifest.md`, `config.md`); Docker image manifest version 2,
schema 2. Only the fields that are used are declared.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec

from fairlead.images.errors import ImageError

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEXES = (OCI_INDEX, DOCKER_LIST)
MANIFESTS = (OCI_MANIFEST, DOCKER_MANIFEST)
LONGEST_MANIFEST = 4 << 20
"""The longest manifest or index that is read, in bytes: the limit that registries have."""
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386", "ppc64le": "ppc64le"}
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
T = TypeVar("T")


class Platform(msgspec.Struct, omit_defaults=True):
    architecture: str = ""
    os: str = ""
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))


class Descriptor(msgspec.Struct, omit_defaults=True, kw_only=True):
    mediaType: str = ""
    digest: str
    size: int
    platform: Platform | None = None
    annotations: dict[str, str] | None = None


class Index(msgspec.Struct, omit_defaults=True):
    manifests: list[Descriptor]
    mediaType: str = ""


class Manifest(msgspec.Struct, omit_defaults=True, kw_only=True):
    mediaType: str = ""
    config: Descriptor
    layers: list[Descriptor]


class RunConfig(msgspec.Struct, omit_defaults=True, kw_only=True):
    """The part of a config that says how containers run."""

    User: str = ""
    Env: list[str] | None = None
    Entrypoint: list[str] | None = None
    Cmd: list[str] | None = None
    WorkingDir: str = ""
    StopSignal: str = ""
    Volumes: dict[str, msgspec.Raw] | None = None
    ExposedPorts: dict[str, msgspec.Raw] | None = None
    Labels: dict[str, str] | None = None

    @property
    def environment(self) -> dict[str, str]:
        pairs = (entry.partition("=") for entry in self.Env or ())
        return {name: value for name, _, value in pairs if name}


class RootFs(msgspec.Struct):
    type: str = "layers"
    diff_ids: list[str] | None = None


class ImageConfig(msgspec.Struct, omit_defaults=True, kw_only=True):
    created: str | None = None
    architecture: str = ""
    os: str = ""
    config: RunConfig | None = None
    rootfs: RootFs

    @property
    def diff_ids(self) -> list[str]:
        return self.rootfs.diff_ids or []


def machine_platform(machine: str) -> Platform:
    """Returns the platform of this machine; `machine` is that of uname(2)."""
    return Platform(architecture=_MACHINES.get(machine, machine), os="linux")


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def check_digest(digest: str) -> str:
    """Returns the digest, which becomes a part of a path. Raises ImageError if it has another form."""
    if not _DIGEST.fullmatch(digest):
        raise ImageError(f'unsupported digest "{digest}": expected sha256: and 64 hexadecimal digits')
    return digest


def parse_index(data: bytes) -> Index:
    return _parse(data, Index, "index")


def parse_manifest(data: bytes) -> Manifest:
    manifest = _parse(data, Manifest, "manifest")
    for descriptor in (manifest.config, *manifest.layers):
        check_digest(descriptor.digest)
    return manifest


def parse_config(data: bytes) -> ImageConfig:
    config = _parse(data, ImageConfig, "config")
    for digest in config.diff_ids:
        check_digest(digest)
    return config


def _parse(data: bytes, kind: type[T], what: str) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ImageError(f"the image's {what} cannot be read: {error}") from error


def is_index(data: bytes, media_type: str) -> bool:
    """Returns True for an index. The media type may be missing; then the fields decide."""
    if media_type in (*INDEXES, *MANIFESTS):
        return media_type in INDEXES
    return "manifests" in _parse(data, dict[str, msgspec.Raw], "manifest")


def choose(index: Index, platform: Platform) -> Descriptor:
    """Returns the manifest for the platform. Raises ImageError with the platforms that there are."""
    fitting = [d for d in index.manifests if _fits(d, platform)]
    if fitting:
        return fitting[0]
    others = sorted({str(d.platform) for d in index.manifests if d.platform and d.platform.os != "unknown"})
    raise ImageError(f"no matching manifest for {platform} in the manifest list entries: {', '.join(others) or 'none'}")


def _fits(descriptor: Descriptor, platform: Platform) -> bool:
    other = descriptor.platform
    if descriptor.mediaType not in ("", *MANIFESTS):
        return False
    return other is None or (other.os, other.architecture) == (platform.os, platform.architecture)


def render_manifest(config: Descriptor, layers: Sequence[Descriptor]) -> bytes:
    """Returns a manifest's text: the same for the same parts."""
    tree = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers}
    return msgspec.json.encode(tree)


def layer_type(magic: bytes) -> str:
    """Returns the media type of a layer by its first bytes."""
    return OCI_LAYER + {b"\x1f\x8b": "+gzip", b"\x28\xb5": "+zstd"}.get(magic[:2], "")


def annotated(descriptor: Descriptor, annotations: Mapping[str, str]) -> Descriptor:
    return Descriptor(
        mediaType=descriptor.mediaType,
        digest=descriptor.digest,
        size=descriptor.size,
        annotations=dict(annotations) or None,
    )
