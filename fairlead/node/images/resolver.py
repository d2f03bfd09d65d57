"""Decides what runs for an image's name: an image of the store, a program of the host, or an image of a registry.

The order: the cluster's and the user's catalogues of host images, because they say what the user wants; the store,
because what is there was loaded, built or pulled on purpose; programs of the host, which work without a network and
start at once; a registry; a program that answers like the image (docs/images.md, decision 24). A name of a registry
that the user has set up never means a host image.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.base.clock import Clock
from fairlead.base.dataclass import dataclass
from fairlead.images.errors import ImageError
from fairlead.images.reference import Reference, parse_reference
from fairlead.images.registry.credentials import Credential, matching
from fairlead.images.registry.settings import Registries, read_registries
from fairlead.images.service.protocol import PullRequest
from fairlead.images.store.leases import Lease
from fairlead.node.images.clustercatalogue import ClusterCatalogue
from fairlead.node.images.host import HostImages, Image, NoImage
from fairlead.node.images.hostlayer import is_locked, is_prepared, prepare
from fairlead.node.images.inventory import mark_used
from fairlead.node.images.puller import request_pull
from fairlead.node.settings import NodeSettings
from fairlead.runtime.client import Client

if TYPE_CHECKING:
    from fairlead.images.store.store import StoredImage

_PREPARE_AFTER_S = 2.0
"""Seconds after the agent's start: the layer takes 50 ms of CPU, which the start of the cluster needs itself."""
_PRESENT = "already present on machine and can be accessed by the pod"


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """A container's need of an image."""

    name: str
    policy: str
    """The container's imagePullPolicy."""
    pulling: Callable[[], None]
    """Called before a pull."""
    credentials: Callable[[], Awaitable[list[dict[str, Credential]]]]
    """Returns the credentials of the Pod's pull secrets. Raises ConnectionError, StatusError."""
    lease: Lease
    """The lease that protects the image's layers as long as the Pod is on the node."""


class NodeImages:
    """The images that this node can run."""

    def __init__(self, host: HostImages, settings: NodeSettings, *, client: Client, clock: Clock) -> None:
        self._host = host
        self._cluster = ClusterCatalogue(host.from_api, client, clock=clock)
        self._settings = settings
        self._single_id = settings.single_id
        self._layers = f"{settings.image_store or settings.state_dir}/host"
        self._clock = clock

    async def obtain(self, request: ImageRequest) -> Image:
        """Returns the image, pulled if that is needed. Raises NoImage, and what `request.credentials` raises."""
        name = request.name
        await self._cluster.refresh()
        if self._host.in_own_file(name):
            return await self._on_host(request)
        reference, registries = self._reference(name), self._registries()
        stored = await self._stored(request)
        if stored is not None and not (request.policy == "Always" and stored.pulled and not registries.off):
            return stored.image
        offer = self._host.offer(name) if stored is None and not self._is_own(registries, reference) else ""
        if offer == "program" or (offer and (registries.off or request.policy == "Never")):
            return await self._on_host(request)
        if request.policy == "Never":
            raise NoImage(f'Container image "{name}" is not present with pull policy of Never', "ErrImageNeverPull")
        if registries.off or not self._settings.image_service:
            return await self._on_host(request)  # says what there is
        try:
            return await self._pulled(request, reference)
        except NoImage as error:
            if not offer:
                raise
            image = await self._on_host(request)
            return replace(image, source=f"{image.source}, because the image cannot be pulled: {error}")

    @staticmethod
    def _is_own(registries: Registries, reference: Reference) -> bool:
        """Returns True for the name of a registry that the user has set up: it never means a host image."""
        return not registries.off and registries.is_own(reference.registry)

    async def _on_host(self, request: ImageRequest) -> Image:
        image = await self._host.resolve(request.name)
        if image.builtin:
            return image
        layer = await asyncio.to_thread(
            prepare, self._layers, single_id=self._single_id, protect=self._protection(request)
        )
        return replace(image, host_layer=layer)

    def _protection(self, request: ImageRequest) -> Callable[[str], None]:
        """Returns the function that protects a host layer: `fairlead image prune` sees those in the user's store."""
        return request.lease.add if self._settings.image_store else lambda layer: None

    def new_lease(self) -> Lease:
        """Returns a lease for a Pod."""
        return Lease(self._settings.image_store or self._settings.state_dir)

    async def prepare_host_layer(self) -> None:
        """Makes the layer of host images before the first Pod asks for it, unless another node makes it: the thread
        costs 1 MB. A Pod that comes earlier makes it itself, or waits until it is complete."""
        await asyncio.sleep(_PREPARE_AFTER_S)
        with contextlib.suppress(OSError):
            if not is_prepared(self._layers, single_id=self._single_id) and not is_locked(self._layers):
                await asyncio.to_thread(prepare, self._layers, single_id=self._single_id)

    def _reference(self, name: str) -> Reference:
        try:
            return parse_reference(name)
        except ImageError as error:
            raise NoImage(f'Failed to apply default image tag "{name}": {error}', "InvalidImageName") from error

    def _registries(self) -> Registries:
        try:
            return read_registries(
                Path(self._settings.registries_file or "/dev/null"), allowed=self._settings.registries
            )
        except ImageError as error:
            raise NoImage(str(error)) from error

    async def _pulled(self, request: ImageRequest, reference: Reference) -> Image:
        started = self._clock.monotonic()
        credentials = [c for auths in await request.credentials() for c in matching(auths, reference)]
        request.pulling()
        asked = PullRequest(request.name, tuple(dict.fromkeys(credentials)))
        result = await request_pull(self._settings.image_service, asked)
        if result.error:
            raise NoImage(result.error)
        stored = await self._stored(request)
        if stored is None:
            raise NoImage(f'"{request.name}" was removed from the image store while it was pulled')
        took, waited = duration(result.seconds), duration(self._clock.monotonic() - started)
        text = f'Successfully pulled image "{request.name}" in {took} ({waited} including waiting). '
        return replace(stored.image, event=f"{text}Image size: {result.size} bytes.")

    async def _stored(self, request: ImageRequest) -> _Stored | None:
        return await asyncio.to_thread(self._read, request) if self._settings.image_store else None

    def _read(self, request: ImageRequest) -> _Stored | None:
        if not os.path.exists(f"{self._settings.image_store}/index.json"):
            return None
        from fairlead.images.store.store import ImageStore  # 15 ms, which a node without images saves

        try:
            store = ImageStore(Path(self._settings.image_store), lease=request.lease)
            image = store.find_for_use(request.name)
            if image is not None:
                mark_used(store, image)
            return None if image is None else _Stored(to_run(image, store.layer_paths(image)), bool(image.pulled))
        except ImageError as error:
            raise NoImage(str(error)) from error
        except OSError as error:
            raise NoImage(f"cannot use the image store: {error}") from error


@dataclass(frozen=True, slots=True)
class _Stored:
    image: Image
    pulled: bool
    """It came from a registry, so the registry may have a later one."""


def to_run(image: StoredImage, layers: list[str]) -> Image:
    """Returns the image as containers run it."""
    from fairlead.images.manifest import RunConfig

    config = image.config.config or RunConfig()
    return Image(
        id=image.reference,
        source=_PRESENT,
        layers=tuple(layers),
        command=tuple(config.Entrypoint or ()),
        args=tuple(config.Cmd or ()),
        env=config.environment,
        user=config.User,
        cwd=config.WorkingDir or "/",
        volumes=tuple(config.Volumes or ()),
        stop_signal=config.StopSignal,
    )


def duration(seconds: float) -> str:
    """Returns a duration in whole milliseconds, in the form of Go: `1m2.5s`, `87ms`."""
    thousandths = int(seconds * 1000)
    if thousandths < 1000:
        return f"{thousandths}ms" if thousandths else "0s"
    minutes, rest = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if minutes or hours else "") + text
