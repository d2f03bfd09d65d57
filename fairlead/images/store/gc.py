"""Removes images, and what no image, container or process needs any more.

What is removed is chosen and moved to `ingest` as long as no lease can change, and deleted afterwards. Leases are read
before names, and names before the files of containers: a need goes from the first to the last.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import count
from pathlib import Path

from fairlead.images.errors import ImageError
from fairlead.images.store.layerdirs import discard
from fairlead.images.store.leases import Lease, removing
from fairlead.images.store.store import ImageStore


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


def prune(store: ImageStore, *, in_use: Callable[[], Collection[str]] = tuple) -> int:
    """Removes blobs and layers that no image and no lease needs, and returns their size. `in_use` returns the layers of
    containers."""
    with _bin(store.root) as (lease, away), removing(store.root, lease) as leased:
        needed = leased | _of_images(store) | {*in_use()}
        freed = sum(store.layers.move_out(layer, away) for layer in store.layers.diff_ids() if layer not in needed)
        freed += sum(store.blobs.move_out(blob, away) for blob in store.blobs.digests() if blob not in needed)
        _move_broken(store, away, leased)
    store.layers.discard_broken()
    return freed


def in_use(clusters: str) -> set[str]:
    """Returns the layers that containers of all clusters have; `clusters` is the folder with the clusters' states."""
    return {f"sha256:{path.parent.name}" for path in _paths_in_use(clusters)}


def prune_host_layers(root: Path, clusters: str) -> None:
    """Removes the layers of host images that no container has: those of earlier states of this machine. `root` is the
    image store's folder."""
    folder = root / "host"
    with _bin(root) as (lease, away), removing(root, lease) as leased:
        used = {*map(Path, leased), *_paths_in_use(clusters)}
        for layer in folder.glob("*"):
            if layer.is_dir() and layer.suffix != ".part" and layer not in used:
                os.rename(layer, away / layer.name)
        with contextlib.suppress(FileNotFoundError, BlockingIOError), open(folder / ".lock", "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # otherwise an agent makes a layer
            for part in folder.glob("*.part"):
                os.rename(part, away / part.name)


@contextlib.contextmanager
def _bin(root: Path) -> Iterator[tuple[Lease, Path]]:
    """Yields a new folder, which is deleted with all that the block moves into it."""
    with Lease(root) as lease:
        for number in count():
            away = root / "ingest" / f"removed.{os.getpid()}.{number}"
            lease.add(away.name)
            with contextlib.suppress(FileExistsError):
                away.mkdir(mode=0o700, parents=True)
                break
        try:
            yield lease, away
        finally:
            discard(away)


def _move_broken(store: ImageStore, away: Path, leased: set[str]) -> None:
    """Moves what killed processes left in `ingest`: files without a lease, and parts of blobs that are not fetched."""
    for path in store.blobs.ingest.iterdir():
        if path.name in leased or path.name.startswith(("lock-", "layer-")) or path == away:
            continue
        with contextlib.suppress(FileNotFoundError, BlockingIOError):
            if path.suffix == ".part":
                with open(path, "rb") as part:
                    fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.rename(path, away / path.name)
            else:
                os.rename(path, away / path.name)


def _paths_in_use(clusters: str) -> set[Path]:
    """Returns the layers of containers and of image volumes. A Pod may end meanwhile."""
    used: set[Path] = set()
    for pattern in ("root/*/*/layers", "layers/*"):
        for file in Path(clusters).glob(f"*/nodes/*/pods/*/{pattern}"):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                used.update(map(Path, file.read_text(encoding="utf-8").splitlines()))
    return used


def drop_unneeded(store: ImageStore, digests: Iterable[str]) -> None:
    """Removes those of the blobs that no image needs, and no other process."""
    with _bin(store.root) as (_, away), removing(store.root, store.lease) as leased:
        needed = leased | _of_images(store)
        for digest in digests:
            if digest not in needed:
                store.blobs.move_out(digest, away)


def _of_images(store: ImageStore) -> set[str]:
    """Returns the digests of the blobs and of the layers of images."""
    return {digest for image in store.read_all() for digest in (*image.blobs, *image.config.diff_ids)}
