"""Unpacked layers: one directory for each, by the digest of the layer's tar archive. Images share them."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from fairlead.images.errors import LayerError
from fairlead.images.layers.stream import Unpacked
from fairlead.images.layers.tree import remove_tree
from fairlead.images.layers.unpack import LayerUnpacker, Limits
from fairlead.images.manifest import check_digest
from fairlead.images.store.leases import Lease

_FILES = "fs"
_SIZE = "size"


def _opened(blob: Path) -> BinaryIO:
    try:
        return open(blob, "rb")
    except FileNotFoundError as error:
        raise LayerError(f"the image store lacks the layer sha256:{blob.name}") from error


class LayerDirs:
    """The folder `layers`. A layer has its directory only when it has been unpacked and verified as a whole."""

    def __init__(self, root: Path, lease: Lease, *, owners: bool, limits: Limits) -> None:
        self._lease = lease
        self._folder = root / "layers"
        self._ingest = root / "ingest"
        self._owners = owners
        self._limits = limits
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _home(self, diff_id: str) -> Path:
        return self._folder / check_digest(diff_id).partition(":")[2]

    def path(self, diff_id: str) -> Path:
        """Returns the directory with the layer's files."""
        return self._home(diff_id) / _FILES

    def has(self, diff_id: str) -> bool:
        return self.path(diff_id).is_dir()

    def size(self, diff_id: str) -> int:
        """Returns the bytes of the layer's files; 0 if it has not been unpacked."""
        try:
            return int((self._home(diff_id) / _SIZE).read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def diff_ids(self) -> list[str]:
        return [f"sha256:{name}" for name in sorted(os.listdir(self._folder))]

    def unpack(self, blob: Path, diff_id: str) -> None:
        """Unpacks a blob, once: another process that unpacks the same layer is waited for. Raises LayerError."""
        self._lease.add(diff_id)
        if self.has(diff_id):
            return
        with self._lock(diff_id[7:]):
            if not self.has(diff_id):
                self._unpack(blob, diff_id)

    def _unpack(self, blob: Path, diff_id: str) -> None:
        temporary = self._ingest / f"layer-{diff_id[7:]}"
        discard(temporary)  # of a process that was killed
        temporary.mkdir(mode=0o700)
        try:
            (temporary / _FILES).mkdir(mode=0o755)
            root = os.open(temporary / _FILES, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fchmod(root, 0o755)
                with _opened(blob) as packed:
                    layer = Unpacked(packed)
                    size = LayerUnpacker(root, owners=self._owners, limits=self._limits).unpack(layer)
            finally:
                os.close(root)
            if layer.digest != diff_id:
                raise LayerError(f"the layer is {layer.digest}, but the image's config says {diff_id}")
            (temporary / _SIZE).write_text(str(size))
            os.rename(temporary, self._home(diff_id))
        except BaseException:
            discard(temporary)
            raise

    def move_out(self, diff_id: str, folder: Path) -> int:
        """Moves a layer that is not needed into a folder as a whole, and returns the size of its files."""
        size = self.size(diff_id)
        with contextlib.suppress(FileNotFoundError):
            os.rename(self._home(diff_id), folder / f"layer-{diff_id[7:]}")
        return size

    def discard_broken(self) -> None:
        """Removes layers that killed processes left half unpacked, and their locks."""
        for pattern in ("layer-*", "lock-*"):
            for path in self._ingest.glob(pattern):
                with contextlib.suppress(BlockingIOError), self._lock(path.name.partition("-")[2], fcntl.LOCK_NB):
                    if pattern == "layer-*":
                        discard(path)

    @contextlib.contextmanager
    def _lock(self, digest: str, further: int = 0) -> Iterator[None]:
        """Locks a layer by its digest without the prefix. The file of the lock exists only while the block lasts."""
        path = self._ingest / f"lock-{digest[:12]}"
        fd = _open_locked(path, fcntl.LOCK_EX | further)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)  # before the end of the lock: the next owner notices it
            os.close(fd)


def _open_locked(path: Path, operation: int) -> int:
    """Returns a locked descriptor of the file that has the path now: a previous owner has deleted its own."""
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, operation)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(fd), os.stat(path)):
                    return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def discard(path: Path) -> None:
    """Removes a directory with all that it contains, if it is there."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(FileNotFoundError):
            remove_tree(folder, path.name)
    finally:
        os.close(folder)
