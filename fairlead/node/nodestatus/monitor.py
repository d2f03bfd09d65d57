"""Watches the node itself: its settings, what is left of the machine, its images; removes images that are not used."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NoReturn, Protocol

from fairlead.api.core.configmap.kind import CONFIG_MAP
from fairlead.api.core.node.kind import ContainerImage
from fairlead.api.meta.reference import ObjectReference
from fairlead.base.clock import Clock
from fairlead.base.log import Log
from fairlead.images.errors import ImageError
from fairlead.machinery.values.status import StatusError
from fairlead.node.nodestatus.kubeletconfig import KEY, NAME, NAMESPACE, BadKubeletConfig, KubeletConfig, parse_config
from fairlead.node.nodestatus.machine import read_signals
from fairlead.node.nodestatus.pressure import Pressure, Signals
from fairlead.node.settings import NodeSettings
from fairlead.runtime.client import Client
from fairlead.runtime.events import Recorder

_EVERY_S = 10.0
_COLLECT_S = 300.0
_EVENTS = {
    "MemoryPressure": "NodeHasInsufficientMemory",
    "DiskPressure": "NodeHasDiskPressure",
    "PIDPressure": "NodeHasInsufficientPID",
}


class Collected(Protocol):
    @property
    def before(self) -> float: ...
    @property
    def after(self) -> float: ...
    @property
    def removed(self) -> tuple[str, ...]: ...


class Images(Protocol):
    """The images that the node's status lists."""

    def list(self, most: int) -> list[ContainerImage]: ...

    def collect(self, *, high: int, low: int, minimum_age_s: float, now: float) -> Collected | None: ...


class NodeMonitor:
    """The facts of the machine in the node's status."""

    def __init__(
        self, settings: NodeSettings, images: Images, client: Client, recorder: Recorder, *, clock: Clock, log: Log
    ) -> None:
        self.config = KubeletConfig()
        self.pressure: frozenset[str] = frozenset()
        self.images: list[ContainerImage] = []
        self.changed: Callable[[], object] = lambda: None
        """Called after a change of pressure or images."""
        self._about = ObjectReference(kind="Node", apiVersion="v1", name=settings.name, uid=settings.name)
        self._state_dir = settings.state_dir
        self._images = images
        self._client = client
        self._recorder = recorder
        self._clock = clock
        self._log = log
        self._kept = Pressure()
        self._text = ""
        self._collect_at = clock.monotonic() + _COLLECT_S

    async def watch(self) -> NoReturn:
        """Runs until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_S)
            await self._read_config()
            await self._look()
            if self._clock.monotonic() >= self._collect_at or "DiskPressure" in self.pressure:
                self._collect_at = self._clock.monotonic() + _COLLECT_S
                await self._collect()

    async def _read_config(self) -> None:
        try:
            text = (await self._client.get(CONFIG_MAP, NAME, NAMESPACE)).data.get(KEY, "")
        except StatusError as error:
            if error.code not in (403, 404):
                return
            text = ""
        except ConnectionError:
            return
        if text == self._text:
            return
        self._text = text
        self._apply(text)

    def _apply(self, text: str) -> None:
        import yaml

        try:
            config, ignored = parse_config(yaml.safe_load(text) if text else {})
        except (BadKubeletConfig, yaml.YAMLError) as error:
            message = f"{NAMESPACE}/{NAME}: {KEY}: {error}; the old settings stay"
            self._recorder.event(self._about, "Warning", "InvalidConfiguration", message)
            return
        self.config = config
        if ignored:
            message = f"{NAMESPACE}/{NAME}: settings without an effect here: {', '.join(ignored)}"
            self._recorder.event(self._about, "Normal", "Ignored", message)

    async def _look(self) -> None:
        signals, images = await asyncio.to_thread(self._read)
        pressure = self._kept.update(self.config, signals, self._clock.now())
        for condition in sorted(pressure - self.pressure):
            reason, node = _EVENTS[condition], self._about.name
            self._recorder.event(self._about, "Normal", reason, f"Node {node} status is now: {reason}")
        if (pressure, images) != (self.pressure, self.images):
            self.pressure, self.images = pressure, images
            self.changed()

    def _read(self) -> tuple[Signals, list[ContainerImage]]:
        try:
            images = self._images.list(self.config.nodeStatusMaxImages)
        except (ImageError, OSError) as error:
            self._log.warn("cannot list the images", error=error)
            images = self.images
        return read_signals(self._state_dir), images

    async def _collect(self) -> None:
        config = self.config
        try:
            result = await asyncio.to_thread(
                self._images.collect,
                high=config.imageGCHighThresholdPercent,
                low=config.imageGCLowThresholdPercent,
                minimum_age_s=config.image_minimum_age_s,
                now=self._clock.now(),
            )
        except (ImageError, OSError) as error:
            self._recorder.event(self._about, "Warning", "ImageGCFailed", str(error))
            return
        if result is None:
            return
        self._log.info("removed images that were not used", images=", ".join(result.removed), used=result.after)
        if result.after > config.imageGCHighThresholdPercent and not result.removed:
            text = f"the disk of the images is used to {result.after:.0f} %, and no image can be removed"
            self._recorder.event(self._about, "Warning", "FreeDiskSpaceFailed", text)
