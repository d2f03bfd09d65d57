"""What became of a container."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fairlead.api.container import ResourceRequirements
from fairlead.api.meta import BY_NAME, Int32, Int64, Record, Resources, Time
from fairlead.machinery.kind import Atomic, ListMap


class ContainerStateWaiting(Record):
    message: str = ""
    reason: str = ""


class ContainerStateRunning(Record):
    startedAt: Time | None = None


class ContainerStateTerminated(Record):
    exitCode: Int32 = msgspec.field(default_factory=int)
    containerID: str = ""
    finishedAt: Time | None = None
    message: str = ""
    reason: str = ""
    signal: Int32 = 0
    startedAt: Time | None = None


class ContainerState(Record):
    running: ContainerStateRunning | None = None
    terminated: ContainerStateTerminated | None = None
    waiting: ContainerStateWaiting | None = None


class LinuxContainerUser(Record):
    gid: Int64 = msgspec.field(default_factory=int)
    uid: Int64 = msgspec.field(default_factory=int)
    supplementalGroups: Annotated[list[Int64], Atomic()] = []


class ContainerUser(Record):
    linux: LinuxContainerUser | None = None


class ResourceHealth(Record):
    resourceID: str = ""
    health: str = ""
    message: str = ""


class ResourceStatus(Record):
    name: str = ""
    resources: Annotated[list[ResourceHealth], ListMap(keys=("resourceID",))] = []


class ImageVolumeStatus(Record):
    imageRef: str = ""


class VolumeStatus(Record):
    image: ImageVolumeStatus | None = None


class VolumeMountStatus(Record):
    name: str = ""
    mountPath: str = ""
    readOnly: bool = False
    recursiveReadOnly: str | None = None
    volumeStatus: VolumeStatus | None = None


class ContainerStatus(Record):
    name: str = ""
    image: str = msgspec.field(default_factory=str)
    imageID: str = msgspec.field(default_factory=str)
    ready: bool = msgspec.field(default_factory=bool)
    restartCount: Int32 = msgspec.field(default_factory=int)
    allocatedResources: Resources = {}
    allocatedResourcesStatus: Annotated[list[ResourceStatus], BY_NAME] = []
    containerID: str = ""
    lastState: ContainerState = msgspec.field(default_factory=ContainerState)
    resources: ResourceRequirements | None = None
    started: bool | None = None
    state: ContainerState = msgspec.field(default_factory=ContainerState)
    stopSignal: str | None = None
    user: ContainerUser | None = None
    volumeMounts: Annotated[list[VolumeMountStatus], ListMap(keys=("mountPath",), patch_key="mountPath")] = []
