"""What became of a container."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fairlead.api.core.pod.container import ResourceRequirements
from fairlead.api.meta.types import BY_NAME, Int32, Int64, Record, Resources, Time
from fairlead.machinery.kind import Atomic, Doc, ListMap


class ContainerStateWaiting(Record):
    message: Annotated[str, Doc("What for, in a sentence.")] = ""
    reason: Annotated[str, Doc("What for, in a word.")] = ""


class ContainerStateRunning(Record):
    startedAt: Annotated[Time, Doc("Since when.")] | None = None


class ContainerStateTerminated(Record):
    exitCode: Annotated[Int32, Doc("What it ended with.")] = msgspec.field(default_factory=int)
    containerID: Annotated[str, Doc("Which run it was.")] = ""
    finishedAt: Annotated[Time, Doc("When it ended.")] | None = None
    message: Annotated[str, Doc("What it said last.")] = ""
    reason: Annotated[str, Doc("Why, in a word.")] = ""
    signal: Annotated[Int32, Doc("The signal that ended it.")] = 0
    startedAt: Annotated[Time, Doc("When it began.")] | None = None


class ContainerState(Record):
    running: Annotated[ContainerStateRunning, Doc("Since when it runs.")] | None = None
    terminated: Annotated[ContainerStateTerminated, Doc("How it ended.")] | None = None
    waiting: Annotated[ContainerStateWaiting, Doc("What it waits for.")] | None = None


class LinuxContainerUser(Record):
    gid: Annotated[Int64, Doc("Its first group.")] = msgspec.field(default_factory=int)
    uid: Annotated[Int64, Doc("Its user.")] = msgspec.field(default_factory=int)
    supplementalGroups: Annotated[list[Int64], Atomic(), Doc("Its further groups.")] = []


class ContainerUser(Record):
    linux: Annotated[LinuxContainerUser, Doc("On Linux.")] | None = None


class ResourceHealth(Record):
    resourceID: Annotated[str, Doc("The device.")] = ""
    health: Annotated[str, Doc("Healthy, Unhealthy or Unknown.")] = ""
    message: Annotated[str, Doc("Why, in a sentence.")] = ""


class ResourceStatus(Record):
    name: Annotated[str, Doc("The resource.")] = ""
    resources: Annotated[list[ResourceHealth], ListMap(keys=("resourceID",)), Doc("How each of its devices is.")] = []


class ImageVolumeStatus(Record):
    imageRef: Annotated[str, Doc("What the image really is.")] = ""


class VolumeStatus(Record):
    image: Annotated[ImageVolumeStatus, Doc("Of an image's files.")] | None = None


class VolumeMountStatus(Record):
    name: Annotated[str, Doc("The volume.")] = ""
    mountPath: Annotated[str, Doc("Where it appears.")] = ""
    readOnly: Annotated[bool, Doc("Whether it is read-only.")] = False
    recursiveReadOnly: Annotated[str, Doc("Whether mounts below it are read-only too.")] | None = None
    volumeStatus: Annotated[VolumeStatus, Doc("More about the volume itself.")] | None = None


class ContainerStatus(Record):
    name: Annotated[str, Doc("Its name.")] = ""
    image: Annotated[str, Doc("What it runs.")] = msgspec.field(default_factory=str)
    imageID: Annotated[str, Doc("What the image really is.")] = msgspec.field(default_factory=str)
    ready: Annotated[bool, Doc("Whether it takes requests.")] = msgspec.field(default_factory=bool)
    restartCount: Annotated[Int32, Doc("How often it was started again.")] = msgspec.field(default_factory=int)
    allocatedResources: Annotated[Resources, Doc("What the node has set aside for it.")] = {}
    allocatedResourcesStatus: Annotated[list[ResourceStatus], BY_NAME, Doc("How the devices it was given are.")] = []
    containerID: Annotated[str, Doc("Which run of it this is.")] = ""
    lastState: Annotated[ContainerState, Doc("How the run before this one ended.")] = msgspec.field(
        default_factory=ContainerState
    )
    resources: Annotated[ResourceRequirements, Doc("What it has of resources.")] | None = None
    started: Annotated[bool, Doc("Whether it is past its startup probe.")] | None = None
    state: Annotated[ContainerState, Doc("What it does now.")] = msgspec.field(default_factory=ContainerState)
    stopSignal: Annotated[str, Doc("The signal it is asked to end with.")] | None = None
    user: Annotated[ContainerUser, Doc("Whom it runs as.")] | None = None
    volumeMounts: Annotated[
        list[VolumeMountStatus], ListMap(keys=("mountPath",), patch_key="mountPath"), Doc("What is mounted in it.")
    ] = []
