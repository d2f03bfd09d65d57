"""Loads images from an archive, read once from the beginning to the end, so that it may come from a pipe.

Files of the archive never get their names on the disk: they become blobs, and their names are kept in memory.
"""

from __future__ import annotations

import posixpath
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from fairlead.base.dataclass import dataclass, field
from fairlead.images.errors import ImageError
from fairlead.images.layers.headers import members, pieces
from fairlead.images.layers.stream import Readable, Unpacked
from fairlead.images.manifest import (
    OCI_CONFIG,
    Descriptor,
    choose,
    is_index,
    layer_type,
    parse_index,
    render_manifest,
)
from fairlead.images.reference import parse_reference
from fairlead.images.store.gc import drop_unneeded
from fairlead.images.store.names import NAME
from fairlead.images.store.store import ImageStore, StoredImage

_MOST_FILES = 10_000
_CONTAINERD_NAME = "io.containerd.image.name"


class _DockerImage(msgspec.Struct):
    """An entry of `manifest.json` in an archive of `docker save`."""

    Config: str
    Layers: list[str] | None = None
    RepoTags: list[str] | None = None


@dataclass(slots=True)
class _Contents:
    """The files of an archive: digest and size by their path."""

    files: dict[str, tuple[str, int]] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    def find(self, path: str) -> tuple[str, int]:
        """Raises ImageError."""
        found = self.files.get(self.links.get(path, path))
        if found is None:
            raise ImageError(f'the archive lacks "{path}"')
        return found


def load(store: ImageStore, source: Readable, *, name: str = "") -> list[StoredImage]:
    """Stores the images of an archive and returns them. `name` names an image that the archive gives no name to.
    Raises ImageError."""
    contents = _Contents()
    with store.lease:
        try:
            _read(store, source, contents)
            return _images(store, contents, name)
        finally:
            drop_unneeded(store, {digest for digest, _ in contents.files.values()})


def _images(store: ImageStore, contents: _Contents, name: str) -> list[StoredImage]:
    if "index.json" in contents.files and "manifest.json" not in contents.files:
        loaded = list(_oci(store, contents, name))
    elif "manifest.json" in contents.files:
        loaded = list(_docker(store, contents, name))
    else:
        raise ImageError("not an archive of an image: it lacks manifest.json and index.json")
    if not loaded:
        raise ImageError("the archive is without an image")
    return loaded


def _read(store: ImageStore, source: Readable, contents: _Contents) -> None:
    for tar, member in members(Unpacked(source)):
        path = posixpath.normpath(member.name.lstrip("/"))
        if member.isreg():
            body = _Body(tar, member)
            contents.files[path] = store.blobs.add_stream(body, f"load-{len(contents.files)}")
        elif member.issym():
            contents.links[path] = posixpath.normpath(posixpath.join(posixpath.dirname(path), member.linkname))
        elif member.islnk():
            contents.links[path] = posixpath.normpath(member.linkname.lstrip("/"))
        if len(contents.files) + len(contents.links) > _MOST_FILES:
            raise ImageError(f"not an archive of an image: it has more than {_MOST_FILES} files")


class _Body:
    """A file of the archive, to be read once."""

    def __init__(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        if member.issparse():
            raise ImageError(f'"{member.name}" in the archive is a sparse file')
        self._pieces = pieces(tar, member)

    def read(self, _size: int = -1) -> bytes:
        return next(self._pieces, (0, b""))[1]


def _docker(store: ImageStore, contents: _Contents, name: str) -> Iterator[StoredImage]:
    raw = store.blobs.read(contents.find("manifest.json")[0])
    try:
        images = msgspec.json.decode(raw, type=list[_DockerImage])
    except msgspec.DecodeError as error:
        raise ImageError(f"manifest.json in the archive cannot be read: {error}") from error
    for image in images:
        digest, size = contents.find(posixpath.normpath(image.Config))
        config = Descriptor(mediaType=OCI_CONFIG, digest=digest, size=size)
        layers = [_layer(store, *contents.find(posixpath.normpath(path))) for path in image.Layers or ()]
        manifest = render_manifest(config, layers)
        for tag in image.RepoTags or [name or f"loaded@{digest}"]:
            yield store.add(str(parse_reference(tag)), manifest)


def _layer(store: ImageStore, digest: str, size: int) -> Descriptor:
    with open(store.blobs.path(digest), "rb") as file:
        return Descriptor(mediaType=layer_type(file.read(4)), digest=digest, size=size)


def _oci(store: ImageStore, contents: _Contents, name: str) -> Iterator[StoredImage]:
    known = {digest for digest, _ in contents.files.values()}
    index = parse_index(store.blobs.read(contents.find("index.json")[0]))
    for descriptor in index.manifests:
        manifest = _platform_manifest(store, known, descriptor)
        full = _name_in(descriptor.annotations or {}) or name or f"loaded@{descriptor.digest}"
        yield store.add(str(parse_reference(full)), manifest)


def _name_in(annotations: Mapping[str, str]) -> str:
    """Returns the image's name. `ref.name` is often a bare tag, which names nothing."""
    full = annotations.get(_CONTAINERD_NAME, "")
    of_layout = annotations.get(NAME, "")
    return full or (of_layout if ":" in of_layout or "/" in of_layout else "")


def _platform_manifest(store: ImageStore, known: set[str], descriptor: Descriptor) -> bytes:
    """Returns the manifest for this machine, through nested indexes."""
    for _ in range(3):
        if descriptor.digest not in known:
            raise ImageError(f"the archive lacks {descriptor.digest}")
        data = store.blobs.read(descriptor.digest)
        if not is_index(data, descriptor.mediaType):
            return data
        descriptor = choose(parse_index(data), store.platform)
    raise ImageError("the archive's indexes are nested too deeply")


def load_file(store: ImageStore, path: Path, *, name: str = "") -> list[StoredImage]:
    """Loads an archive, or a directory with an OCI image layout. Raises ImageError."""
    try:
        with open(path, "rb") as file:
            return load(store, file, name=name)
    except OSError as error:
        raise ImageError(f"cannot read {path}: {error.strerror}") from error
