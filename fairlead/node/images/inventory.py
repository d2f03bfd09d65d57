"""The images of the user's store as a node's status lists them, and the removal of those that are not used.

Only images that came from a registry are removed: one that was loaded or built may exist nowhere else. The store
belongs to all clusters of the user, so an image that any of them uses stays.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.api.core.node.kind import ContainerImage
from fairlead.base.dataclass import dataclass

if TYPE_CHECKING:
    from fairlead.images.store.store import ImageStore, StoredImage


@dataclass(frozen=True, slots=True)
class Collected:
    """The result of a collection: the disk's use in percent before and after, and the removed names."""

    before: float
    after: float
    removed: tuple[str, ...]


class ImageInventory:
    """The store at `root`; `clusters` is the folder with the states of all clusters."""

    def __init__(self, root: str, clusters: str, *, used: Callable[[str], float] | None = None) -> None:
        """`used` measures the disk."""
        self._root = root
        self._used_percent = used or used_percent
        self._clusters = clusters
        self._seen: tuple[int, int] = (0, 0)
        self._listed: list[ContainerImage] = []

    def list(self, most: int) -> list[ContainerImage]:
        """Returns the images by size, the largest first; -1 means all. Reads the store only after a change."""
        try:
            status = os.stat(f"{self._root}/index.json")
            changed = (status.st_mtime_ns, status.st_ino)
        except OSError:
            return []
        if changed != self._seen:
            self._listed = sorted(_listed(_store(self._root)), key=lambda image: -image.sizeBytes)
            self._seen = changed
        return self._listed if most < 0 else self._listed[:most]

    def collect(self, *, high: int, low: int, minimum_age_s: float, now: float) -> Collected | None:
        """Removes the images that were not used for the longest time, if more than `high` percent of the disk is used,
        until it is `low` percent. Returns None if nothing was needed. Raises ImageError, OSError."""
        if not os.path.exists(f"{self._root}/index.json"):
            return None
        before = self._used_percent(self._root)
        if before < high:
            return None
        from fairlead.images.store.gc import in_use, prune

        store, removed = _store(self._root), []
        used = in_use(self._clusters)
        for image in _unused(store, used, older_than=now - minimum_age_s):
            store.names.remove({image.name})
            removed.append(image.name)
            prune(store, in_use=lambda: in_use(self._clusters))
            if self._used_percent(self._root) <= low:
                break
        return Collected(before, self._used_percent(self._root), tuple(removed))


def _store(root: str) -> ImageStore:
    from fairlead.images.store.store import ImageStore  # 15 ms, which a node without images saves

    return ImageStore(Path(root))


def _listed(store: ImageStore) -> Iterator[ContainerImage]:
    by_id: dict[str, tuple[list[str], int]] = {}
    for image in store.all():
        names, _ = by_id.setdefault(image.id, ([], image.size))
        names += [image.name, *([image.reference] if image.pulled else [])]
    return (ContainerImage(names=list(dict.fromkeys(names)), sizeBytes=size) for names, size in by_id.values())


def _unused(store: ImageStore, used: set[str], *, older_than: float) -> list[StoredImage]:
    """Returns the pulled images of which no container has a layer, the one that was used least recently first."""
    candidates = []
    for image in store.all():
        last_used = os.stat(store.blobs.path(image.digest)).st_mtime
        if image.pulled and last_used < older_than and not used & {*image.config.diff_ids}:
            candidates.append((last_used, image.name, image))
    return [image for _, _, image in sorted(candidates, key=lambda one: one[:2])]


def mark_used(store: ImageStore, image: StoredImage) -> None:
    """Records that an image is used now: in the time of its manifest's file."""
    os.utime(store.blobs.path(image.digest))


def used_percent(path: str) -> float:
    """Returns the used part of the file system, as df(1) counts it."""
    disk = os.statvfs(path)
    used = disk.f_blocks - disk.f_bfree
    return 100 * used / max(used + disk.f_bavail, 1)
