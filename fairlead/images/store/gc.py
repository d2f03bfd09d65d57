"""Removes images, and what no image needs any more."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Collection, Iterable
from pathlib import Path

from fairlead.base.instant import Instant
from fairlead.images.errors import ImageError
from fairlead.images.store.store import ImageStore, StoredImage

_RECENT_S = 3600.0


def remove(store: ImageStore, texts: Iterable[str]) -> list[str]:
    """Removes the names of images and returns them; blobs and layers stay until `prune`. Raises ImageError."""
    names: list[str] = []
    for text in texts:
        image = store.find(text)
        if image is None:
            raise ImageError(f'no such image: "{text}"')
        names.append(image.name)
    store.names.remove(names)
    return names


def prune(store: ImageStore, *, in_use: Collection[str] = ()) -> int:
    """Removes blobs and layers that no image needs, and returns their size. `in_use`: layers of running containers."""
    blobs, layers = _needed(store.all())
    for part in store.blobs.ingest.glob("*.part"):
        part.unlink(missing_ok=True)
    freed = sum(store.layers.remove(layer) for layer in store.layers.diff_ids() if layer not in layers | {*in_use})
    return freed + remove_blobs(store, store.blobs.digests(), keep=blobs)


def in_use(clusters: str) -> set[str]:
    """Returns the layers that containers of all clusters have; `clusters` is the folder with the clusters' states."""
    return {f"sha256:{path.parent.name}" for path in _paths_in_use(clusters)}


def prune_host_layers(folder: Path, clusters: str, *, now: Instant) -> None:
    """Removes the layers that host images had at earlier states of this machine; `folder` has all of them. A recent one
    may be in the making, or that of a container which starts just now."""
    used = _paths_in_use(clusters)
    for layer in [path for path in folder.glob("*") if path.is_dir() and path not in used]:
        with contextlib.suppress(FileNotFoundError):
            if now - layer.stat().st_mtime > _RECENT_S:
                shutil.rmtree(layer, ignore_errors=True)


def _paths_in_use(clusters: str) -> set[Path]:
    files = Path(clusters).glob("*/nodes/*/pods/*/root/*/*/layers")
    return {Path(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()}


def drop_unneeded(store: ImageStore, digests: Iterable[str]) -> None:
    """Removes those of the blobs that no image needs."""
    remove_blobs(store, digests, keep=_needed(store.all())[0])


def remove_blobs(store: ImageStore, digests: Iterable[str], *, keep: Collection[str]) -> int:
    return sum(store.blobs.remove(digest) for digest in digests if digest not in keep)


def _needed(images: Iterable[StoredImage]) -> tuple[set[str], set[str]]:
    """Returns the digests of the blobs and of the layers of images."""
    blobs: set[str] = set()
    layers: set[str] = set()
    for image in images:
        blobs |= {image.digest, image.id, *(layer.digest for layer in image.manifest.layers)}
        layers |= {*image.config.diff_ids}
    return blobs, layers
