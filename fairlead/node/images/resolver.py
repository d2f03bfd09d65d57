"""Decides what runs for an image's name: an image of the user's store, or a program of the host.

The order: the user's own file of host images, because it says what the user wants; the store, because what is there was
loaded, built or pulled on purpose; the built-in host images (docs/images.md).
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from fairlead.images.errors import ImageError
from fairlead.images.manifest import RunConfig
from fairlead.images.store.store import ImageStore, StoredImage
from fairlead.node.images.host import HostImages, Image, NoImage


class NodeImages:
    """The images that this node can run."""

    def __init__(self, host: HostImages, *, store: str) -> None:
        """`store` is the folder of the image store; empty: only host images run."""
        self._host = host
        self._store = store

    async def resolve(self, name: str) -> Image:
        """Raises NoImage."""
        if not self._host.in_own_file(name):
            stored = await self._stored(name)
            if stored is not None:
                return stored
        return await self._host.resolve(name)

    async def _stored(self, name: str) -> Image | None:
        return await asyncio.to_thread(self._read, name) if self._store else None

    def _read(self, name: str) -> Image | None:
        if not os.path.isdir(self._store):
            return None
        try:
            store = ImageStore(Path(self._store))
            image = store.find(name)
            return None if image is None else to_run(image, store.layer_paths(image))
        except ImageError as error:
            raise NoImage(str(error)) from error


def to_run(image: StoredImage, layers: list[str]) -> Image:
    """Returns the image as containers run it."""
    config = image.config.config or RunConfig()
    return Image(
        id=image.reference,
        source="already present on machine and can be accessed by the pod",
        layers=tuple(layers),
        command=tuple(config.Entrypoint or ()),
        args=tuple(config.Cmd or ()),
        env=config.environment,
        user=config.User,
        cwd=config.WorkingDir or "/",
        stop_signal=config.StopSignal,
    )
