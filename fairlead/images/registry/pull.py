"""Pulls an image into the store: the manifest for this machine, then config and layers, several at a time.

Every blob is verified by its digest. What a broken pull has fetched stays in `ingest` and is not fetched again.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from fairlead.base.dataclass import dataclass
from fairlead.images.errors import ImageError
from fairlead.images.manifest import (
    Descriptor,
    Manifest,
    choose,
    digest_of,
    is_index,
    parse_config,
    parse_index,
    parse_manifest,
)
from fairlead.images.reference import Reference
from fairlead.images.registry.client import Interrupted, NotThere, RegistryClient, Unauthorized, new_session
from fairlead.images.registry.credentials import Credential
from fairlead.images.registry.settings import Registries
from fairlead.images.store.store import ImageStore, StoredImage, check_platform

_PARALLEL = 3
"""Layers that are fetched at the same time, as in Docker."""
_TRIES = 5
_WAIT_S = 0.05
"""The pause between two looks at another pull's lock: a thread that waits could not be cancelled."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Bytes of an image that are there, of all its bytes."""

    done: int
    total: int


Report = Callable[[Progress], None]


async def pull(
    store: ImageStore,
    reference: Reference,
    *,
    registries: Registries,
    credentials: Sequence[Credential] = (),
    report: Report = lambda progress: None,
) -> StoredImage:
    """Pulls from the first server that has the image, with the first credential that it accepts. Raises ImageError."""
    problems: list[str] = []
    async with new_session() as session:
        for endpoint in registries.endpoints(reference):
            for credential in credentials or (None,):
                client = RegistryClient(session, endpoint, reference, credential)
                try:
                    with store.lease:
                        return await _Pull(store, reference, client, report).run()
                except (Unauthorized, NotThere) as error:
                    problems.append(str(error))
                    if isinstance(error, NotThere):
                        break
                except ImageError as error:
                    problems.append(str(error))
                    break
    raise ImageError("; ".join(dict.fromkeys(problems)))


class _Pull:
    """One pull from one server."""

    def __init__(self, store: ImageStore, reference: Reference, client: RegistryClient, report: Report) -> None:
        self._store = store
        self._reference = reference
        self._client = client
        self._report = report
        self._done: dict[str, int] = {}
        self._total = 0

    async def run(self) -> StoredImage:
        digest, data = await self._manifest()
        manifest = parse_manifest(data)
        self._total = manifest.config.size + sum(layer.size for layer in manifest.layers)
        await self._fetch(manifest.config)
        config = parse_config(self._store.blobs.read(manifest.config.digest))
        check_platform(config, self._store.platform)
        await self._layers(manifest, config.diff_ids)
        return await asyncio.to_thread(self._store.add, str(self._reference), data, pulled=digest)

    async def _manifest(self) -> tuple[str, bytes]:
        """Returns the digest under which the registry has the image, and the manifest for this machine."""
        target, pulled, media_type = self._reference.target, "", ""
        for _ in range(3):
            data, media_type = await self._client.manifest(target)
            digest = digest_of(data)
            if target.startswith("sha256:") and digest != target:
                raise ImageError(f"{self._reference}: the registry sent {digest} for {target}")
            pulled = pulled or digest
            if not is_index(data, media_type):
                return pulled, data
            target = choose(parse_index(data), self._store.platform).digest
        raise ImageError(f"{self._reference}: indexes are nested too deeply")

    async def _layers(self, manifest: Manifest, diff_ids: Sequence[str]) -> None:
        if len(diff_ids) != len(manifest.layers):
            raise ImageError(f"the manifest has {len(manifest.layers)} layers, but the config {len(diff_ids)}")
        slots = asyncio.Semaphore(_PARALLEL)

        async def one(layer: Descriptor, diff_id: str) -> None:
            async with slots:
                self._store.lease.add(diff_id)
                if not self._store.layers.has(diff_id):
                    await self._fetch(layer)
                    await asyncio.to_thread(self._store.layers.unpack, self._store.blobs.path(layer.digest), diff_id)
                self._advance(layer.digest, layer.size)

        unique = dict(zip(diff_ids, manifest.layers, strict=True))
        try:
            async with asyncio.TaskGroup() as group:
                for diff_id, layer in unique.items():
                    group.create_task(one(layer, diff_id))
        except* ImageError as problems:
            first = problems.exceptions[0]
            while isinstance(first, BaseExceptionGroup):
                first = first.exceptions[0]
            error = first
        else:
            return
        raise error

    def _advance(self, digest: str, done: int) -> None:
        self._done[digest] = done
        self._report(Progress(sum(self._done.values()), self._total))

    async def _fetch(self, blob: Descriptor) -> None:
        """Fetches a blob, unless the store has it; goes on after interruptions."""
        blobs = self._store.blobs
        self._store.lease.add(blob.digest)
        async with _locked(blobs.ingest / f"{blob.digest[7:]}.part") as (file, path):
            if blobs.has(blob.digest):
                return
            for attempt in range(1, _TRIES + 1):
                try:
                    await self._continue(blob, file)
                    break
                except Interrupted:
                    if attempt == _TRIES:
                        raise
                    await asyncio.sleep(0.2 * 2**attempt)
            blobs.admit(path, blob.digest)

    async def _continue(self, blob: Descriptor, file: BinaryIO) -> None:
        """Fetches what is missing of a blob and verifies the whole."""
        file.seek(0)
        found = hashlib.sha256()
        while data := file.read(1 << 20):
            found.update(data)
        if file.tell() < blob.size:
            found = await self._append(blob, file, found)
        file.flush()
        size, digest = file.tell(), f"sha256:{found.hexdigest()}"
        if (size, digest) != (blob.size, blob.digest):
            file.truncate(0)
            raise ImageError(f"{self._reference}: the registry sent {digest} ({size} bytes) for {blob.digest}")

    async def _append(self, blob: Descriptor, file: BinaryIO, found: hashlib._Hash) -> hashlib._Hash:
        async with self._client.blob(blob.digest, file.tell()) as (offset, pieces):
            if offset != file.tell():
                file.seek(0)
                file.truncate()
                found = hashlib.sha256()
            async for piece in pieces:
                if file.tell() + len(piece) > blob.size:
                    file.truncate(0)
                    raise ImageError(f"{self._reference}: {blob.digest} has more than its {blob.size} bytes")
                file.write(piece)
                found.update(piece)
                self._advance(blob.digest, file.tell())
        if file.tell() < blob.size:
            raise Interrupted(f"{blob.digest} ended after {file.tell()} of {blob.size} bytes")
        return found


@contextlib.asynccontextmanager
async def _locked(path: Path) -> AsyncIterator[tuple[BinaryIO, Path]]:
    """Opens a part of a blob once no other pull has it. It stays if the pull breaks, and goes if it was not needed."""
    while True:
        with _opened(path) as file:
            if not _lock(file, path):
                await asyncio.sleep(_WAIT_S)
                continue
            yield file, path
            _remove_empty(file, path)
            return


def _opened(path: Path) -> BinaryIO:
    return open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b")


def _remove_empty(file: BinaryIO, path: Path) -> None:
    if _is_same(file, path) and not os.fstat(file.fileno()).st_size:
        path.unlink(missing_ok=True)


def _lock(file: BinaryIO, path: Path) -> bool:
    """Returns True if the file is locked now, and is still the part: the pull that had it may have completed it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return _is_same(file, path)


def _is_same(file: BinaryIO, path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    return False
