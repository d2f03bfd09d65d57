"""Blobs by their digest. A blob has its name only when all its bytes have been verified."""

from __future__ import annotations

import contextlib
import hashlib
import os
from itertools import count
from pathlib import Path

from fairlead.images.errors import ImageError
from fairlead.images.layers.stream import Readable
from fairlead.images.manifest import LONGEST_MANIFEST, check_digest, digest_of
from fairlead.images.store.leases import Lease

_CHUNK = 1 << 20


class Blobs:
    """The folder `blobs/sha256` of an OCI image layout, and files in `ingest` that are to become blobs."""

    def __init__(self, root: Path, lease: Lease) -> None:
        self._lease = lease
        self._folder = root / "blobs" / "sha256"
        self.ingest = root / "ingest"
        for folder in (self._folder, self.ingest):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def path(self, digest: str) -> Path:
        return self._folder / check_digest(digest).partition(":")[2]

    def has(self, digest: str) -> bool:
        return self.path(digest).exists()

    def size(self, digest: str) -> int:
        try:
            return self.path(digest).stat().st_size
        except FileNotFoundError:
            return 0

    def digests(self) -> list[str]:
        return [f"sha256:{name}" for name in sorted(os.listdir(self._folder))]

    def read(self, digest: str) -> bytes:
        """Returns a manifest or a config. Raises ImageError."""
        try:
            with open(self.path(digest), "rb") as file:
                return file.read(LONGEST_MANIFEST + 1)
        except FileNotFoundError as error:
            raise ImageError(f"the image store lacks {digest}: load or pull the image again") from error

    def add(self, data: bytes) -> str:
        """Stores a manifest or a config, and returns its digest."""
        digest = digest_of(data)
        self._lease.add(digest)
        if not self.has(digest):
            temporary = self._new_file(digest[7:])
            temporary.write_bytes(data)
            self.admit(temporary, digest)
        return digest

    def _new_file(self, name: str) -> Path:
        """Makes an empty file in `ingest`, which no other process has."""
        for number in count():
            path = self.ingest / f"{name}.{os.getpid()}.{number}"
            self._lease.add(path.name)
            with contextlib.suppress(FileExistsError):
                path.touch(0o600, exist_ok=False)
                return path
        raise AssertionError

    def admit(self, file: Path, digest: str) -> None:
        """Makes a verified file of this store a blob."""
        self._lease.add(digest)
        os.rename(file, self.path(digest))

    def add_stream(self, source: Readable, name: str) -> tuple[str, int]:
        """Stores what the source has; returns digest and size. `name` is that of the temporary file."""
        temporary = self._new_file(name)
        found, size = hashlib.sha256(), 0
        try:
            with open(temporary, "wb") as file:
                while data := source.read(_CHUNK):
                    found.update(data)
                    file.write(data)
                    size += len(data)
            digest = f"sha256:{found.hexdigest()}"
            self.admit(temporary, digest)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        return digest, size

    def move_out(self, digest: str, folder: Path) -> int:
        """Moves a blob that is not needed into a folder, and returns its size."""
        size = self.size(digest)
        with contextlib.suppress(FileNotFoundError):
            os.rename(self.path(digest), folder / self.path(digest).name)
        return size
