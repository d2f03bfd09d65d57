"""The names of images: `index.json` of an OCI image layout, changed by one process at a time, replaced atomically."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import msgspec

from fairlead.images.errors import ImageError
from fairlead.images.manifest import OCI_INDEX, Descriptor, Index, annotated

NAME = "org.opencontainers.image.ref.name"
PULLED = "dev.fairlead.pulled-digest"
"""The digest under which a registry has the image: of its index, if it has one."""
_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'


class Names:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._file = root / "index.json"
        self._read_at: tuple[int, int] = (-1, -1)
        self._images: list[Descriptor] = []

    def all(self) -> list[Descriptor]:
        """Returns the images, read again if the file has changed. Raises ImageError."""
        try:
            status = os.stat(self._file)
            at = (status.st_mtime_ns, status.st_ino)
            if at != self._read_at:
                self._images = msgspec.json.decode(self._file.read_bytes(), type=Index).manifests
                self._read_at = at
        except FileNotFoundError:
            self._images = []
        except (OSError, msgspec.DecodeError) as error:
            raise ImageError(f"cannot read {self._file}: {error}") from error
        return self._images

    def find(self, name: str) -> Descriptor | None:
        return next((image for image in self.all() if name_of(image) == name), None)

    def assign(self, name: str, image: Descriptor, *, pulled: str = "") -> None:
        """Gives the image a name, which another image loses."""
        new = annotated(image, {NAME: name} | ({PULLED: pulled} if pulled else {}))
        self._change(lambda images: [*(i for i in images if name_of(i) != name), new])

    def remove(self, names: Collection[str]) -> None:
        self._change(lambda images: [i for i in images if name_of(i) not in names])

    def _change(self, change: Callable[[list[Descriptor]], list[Descriptor]]) -> None:
        with self._lock():
            self._read_at = (-1, -1)
            images = sorted(change(self.all()), key=name_of)
            tree = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": images}
            self._replace(self._root / "oci-layout", _LAYOUT)
            self._replace(self._file, msgspec.json.encode(tree))

    def _replace(self, path: Path, data: bytes) -> None:
        temporary = path.with_name(f".{path.name}")  # one writer at a time
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        fd = os.open(self._root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)


def name_of(image: Descriptor) -> str:
    return (image.annotations or {}).get(NAME, "")


def pulled_digest(image: Descriptor) -> str:
    return (image.annotations or {}).get(PULLED, "")
