"""Removes the protection of deleted volumes, claims and classes after their last use.

Source: upstream's controllers pv-protection, pvc-protection and volumeattributesclass-protection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from fairlead.api.core.persistentvolume import PERSISTENT_VOLUME
from fairlead.api.core.persistentvolumeclaim import PERSISTENT_VOLUME_CLAIM
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.storage.volumeattributesclass import VOLUME_ATTRIBUTES_CLASS
from fairlead.apiserver.admission.storage import FINALIZERS
from fairlead.apiserver.model import internal
from fairlead.apiserver.registry.update import Candidate, Updater
from fairlead.apiserver.serialization.params import WriteOptions
from fairlead.apiserver.watchcache.cache import Entry, Event
from fairlead.apiserver.watchcache.resource import Resource, Resources
from fairlead.apiserver.watchcache.target import Target
from fairlead.machinery.values.status import StatusError

_ENDED = ("Failed", "Succeeded")


class StorageProtection:
    """Removes finalizers of storage objects."""

    def __init__(self, resources: Resources, updater: Updater) -> None:
        self._pods = resources.of(POD)
        self._claims = resources.of(PERSISTENT_VOLUME_CLAIM)
        self._volumes = resources.of(PERSISTENT_VOLUME)
        self._classes = resources.of(VOLUME_ATTRIBUTES_CLASS)
        self._updater = updater
        self._wake = asyncio.Event()
        self._waiting = False
        """True while a deleted object is protected."""

    async def run(self) -> None:
        """Looks at deleted objects at each change that may end their use. Runs until cancelled."""
        for resource in (self._claims, self._volumes, self._classes):
            resource.cache.listeners[self] = self._on_storage
        self._pods.cache.listeners[self] = self._on_pod
        while True:
            self._wake.clear()
            await self.sync()
            await self._wake.wait()

    async def sync(self) -> None:
        """Removes the finalizers of deleted objects that are not in use."""
        self._waiting = False
        in_use: list[tuple[Resource, Callable[[Any], bool]]] = [
            (self._claims, self._claim_in_use),
            (self._volumes, lambda volume: volume.status.phase == "Bound"),
            (self._classes, self._class_in_use),
        ]
        for resource, used in in_use:
            for entry in resource.cache.select():
                if b'"deletionTimestamp":' in entry.raw:
                    await self._release(resource, entry, used)

    def _on_storage(self, event: Event) -> None:
        if self._waiting or b'"deletionTimestamp":' in event.entry.raw:
            self._wake.set()

    def _on_pod(self, event: Event) -> None:
        if self._waiting:
            self._wake.set()

    async def _release(self, resource: Resource, entry: Entry, used: Callable[[Any], bool]) -> None:
        obj, finalizer = entry.decode(), FINALIZERS[resource.kind]
        if obj.metadata.deletionTimestamp is None or finalizer not in obj.metadata.finalizers:
            return
        if used(obj):
            self._waiting = True
            return

        async def change(current: Entry) -> Candidate:
            found = current.decode()
            found.metadata.finalizers = [name for name in found.metadata.finalizers if name != finalizer]
            return Candidate(found)

        try:
            target = Target(resource, entry.namespace, entry.name)
            await self._updater.update(target, change, WriteOptions(), internal())
        except StatusError as error:
            if error.code not in (404, 409):
                raise

    def _claim_in_use(self, claim: Any) -> bool:
        """Returns whether a Pod that has a node and has not ended uses the claim."""
        mark = f'"{claim.metadata.name}"'.encode()
        entries = (entry for entry in self._pods.cache.select(claim.metadata.namespace) if mark in entry.raw)
        return any(_uses(entry.decode(), claim.metadata.name) for entry in entries)

    def _class_in_use(self, found: Any) -> bool:
        mark = f'"{found.metadata.name}"'.encode()
        return any(
            mark in entry.raw and _refers(entry.decode(), found.metadata.name)
            for resource in (self._claims, self._volumes)
            for entry in resource.cache.select()
        )


def _uses(pod: Pod, claim: str) -> bool:
    if not pod.spec.nodeName or pod.status.phase in _ENDED:
        return False
    ephemeral = {f"{pod.metadata.name}-{volume.name}" for volume in pod.spec.volumes if volume.ephemeral is not None}
    named = {
        volume.persistentVolumeClaim.claimName
        for volume in pod.spec.volumes
        if volume.persistentVolumeClaim is not None
    }
    return claim in named | ephemeral


def _refers(obj: Any, name: str) -> bool:
    """Returns whether a claim or a volume has, or is to get, the attributes of a class."""
    status = obj.status
    modify = getattr(status, "modifyVolumeStatus", None)
    return name in (
        obj.spec.volumeAttributesClassName,
        getattr(status, "currentVolumeAttributesClassName", None),
        modify.targetVolumeAttributesClassName if modify is not None else None,
    )
