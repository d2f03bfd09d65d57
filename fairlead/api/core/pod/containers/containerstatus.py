"""Status of a container."""

from typing import Annotated

import msgspec

from fairlead.api.core.pod.containers.container import ResourceRequirements
from fairlead.api.meta.types import BY_NAME, Int32, Int64, Record, Resources, Time
from fairlead.machinery.kinds.kind import Atomic, Doc, ListMap


class ContainerStateWaiting(Record):
    """Details of a container that has not started yet."""

    message: Annotated[str, Doc("Human-readable details about the reason for waiting.")] = ""
    reason: Annotated[str, Doc("Reason for waiting as one CamelCase word, such as ImagePullBackOff.")] = ""


class ContainerStateRunning(Record):
    """Details of a container that is running."""

    startedAt: Annotated[Time, Doc("Time at which the container was started or restarted.")] | None = None


class ContainerStateTerminated(Record):
    """Details of a container that has ended: exit code, reason and times."""

    exitCode: Annotated[Int32, Doc("Exit code of the container's last run.")] = msgspec.field(default_factory=int)
    containerID: Annotated[str, Doc("Identity of the terminated run: `<runtime>://<id>`.")] = ""
    finishedAt: Annotated[Time, Doc("Time at which the container terminated.")] | None = None
    message: Annotated[str, Doc("Termination message of the container, from its file or the end of its log.")] = ""
    reason: Annotated[str, Doc("Reason of the termination as one CamelCase word, such as Completed or OOMKilled.")] = ""
    signal: Annotated[Int32, Doc("Number of the signal that ended the container; 0 if it exited by itself.")] = 0
    startedAt: Annotated[Time, Doc("Time at which the terminated run of the container began.")] | None = None


class ContainerState(Record):
    """State of a container: exactly one of waiting, running and terminated."""

    running: Annotated[ContainerStateRunning, Doc("Details of a running container; absent in other states.")] | None = (
        None
    )
    terminated: (
        Annotated[ContainerStateTerminated, Doc("Details of a terminated container; absent in other states.")] | None
    ) = None
    waiting: (
        Annotated[ContainerStateWaiting, Doc("Details of a waiting container, which is the default state.")] | None
    ) = None


class LinuxContainerUser(Record):
    """User and groups as numbers under which the first process of a container started."""

    gid: Annotated[Int64, Doc("Primary group id of the container's first process.")] = msgspec.field(
        default_factory=int
    )
    uid: Annotated[Int64, Doc("User id of the container's first process.")] = msgspec.field(default_factory=int)
    supplementalGroups: Annotated[
        list[Int64], Atomic(), Doc("Supplementary group ids of the container's first process.")
    ] = []


class ContainerUser(Record):
    """User identity under which the first process of a container started."""

    linux: Annotated[LinuxContainerUser, Doc("User and groups of the container's first process on Linux.")] | None = (
        None
    )


class ResourceHealth(Record):
    """Health of one device or other resource that a container uses."""

    resourceID: Annotated[str, Doc("Unique identity of the resource, such as a device.")] = ""
    health: Annotated[str, Doc("Health of the resource: Healthy, Unhealthy or Unknown (default).")] = ""
    message: Annotated[str, Doc("Human-readable details about the health of the resource.")] = ""


class ResourceStatus(Record):
    """Health of the devices of one resource that a container uses."""

    name: Annotated[str, Doc("Name of the resource, or of a claim's request as claim:<claim>/<request>.")] = ""
    resources: Annotated[
        list[ResourceHealth],
        ListMap(keys=("resourceID",)),
        Doc("Health of each device of the resource that is allocated to the container."),
    ] = []


class ImageVolumeStatus(Record):
    """Image that was mounted for an image volume."""

    imageRef: Annotated[str, Doc("Digest of the image that the volume was mounted from.")] = ""


class VolumeStatus(Record):
    """Details of a mounted volume, depending on the volume's type."""

    image: Annotated[ImageVolumeStatus, Doc("Status of an image volume.")] | None = None


class VolumeMountStatus(Record):
    """Observed state of one volume mount of a container."""

    name: Annotated[str, Doc("Name of the mounted volume.")] = ""
    mountPath: Annotated[str, Doc("Path in the container at which the volume is mounted.")] = ""
    readOnly: Annotated[bool, Doc("True if the volume is mounted read-only.")] = False
    recursiveReadOnly: Annotated[str, Doc("Recursive read-only state of the mount: Disabled or Enabled.")] | None = None
    volumeStatus: Annotated[VolumeStatus, Doc("Further status of the mounted volume, by its type.")] | None = None


class ContainerStatus(Record):
    """Most recently observed state of one container: its image, readiness, restarts and resources."""

    name: Annotated[str, Doc("Name of the container, as in the pod's spec.")] = ""
    image: Annotated[str, Doc("Name of the image that the container runs.")] = msgspec.field(default_factory=str)
    imageID: Annotated[str, Doc("Digest of the image that the container runs.")] = msgspec.field(default_factory=str)
    ready: Annotated[bool, Doc("True if the container passes its readiness probe, or has none and is started.")] = (
        msgspec.field(default_factory=bool)
    )
    restartCount: Annotated[Int32, Doc("Number of times that the container has been restarted.")] = msgspec.field(
        default_factory=int
    )
    allocatedResources: Annotated[
        Resources, Doc("Amounts of resources that the node has reserved for the container.")
    ] = {}
    allocatedResourcesStatus: Annotated[
        list[ResourceStatus], BY_NAME, Doc("Health of the devices that are allocated to the container.")
    ] = []
    containerID: Annotated[str, Doc("Identity of the container's present run: `<runtime>://<id>`.")] = ""
    lastState: Annotated[
        ContainerState, Doc("State of the container's previous run; empty if the container was never restarted.")
    ] = msgspec.field(default_factory=ContainerState)
    resources: (
        Annotated[ResourceRequirements, Doc("Requests and limits that are applied to the running container.")] | None
    ) = None
    started: (
        Annotated[bool, Doc("True if the container has started and its startup probe, if any, has succeeded.")] | None
    ) = None
    state: Annotated[ContainerState, Doc("Present state of the container: waiting, running or terminated.")] = (
        msgspec.field(default_factory=ContainerState)
    )
    stopSignal: Annotated[str, Doc("Signal that asks the container to stop, such as SIGTERM.")] | None = None
    user: Annotated[ContainerUser, Doc("User and groups of the container's first process at its start.")] | None = None
    volumeMounts: Annotated[
        list[VolumeMountStatus],
        ListMap(keys=("mountPath",), patch_key="mountPath"),
        Doc("Status of the volumes that are mounted into the container."),
    ] = []
