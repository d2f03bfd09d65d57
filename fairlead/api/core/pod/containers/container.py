"""A container of a pod: image, command, ports, resources, mounts."""

from typing import Annotated

import msgspec

from fairlead.api.core.pod.containers.env import EnvFromSource, EnvVar
from fairlead.api.core.pod.containers.probe import Lifecycle, Probe
from fairlead.api.core.pod.containers.security import SecurityContext
from fairlead.api.meta.types import BY_NAME, Int32, Record, Resources, Strings
from fairlead.machinery.kinds.kind import Atomic, Default, Doc, Format, ListMap, OneOf, Range, Required, SetList


class ContainerPort(Record):
    """Port on which a container accepts connections; a port can also be published on the node."""

    name: Annotated[
        str,
        Format("port-name"),
        Doc("Name of the port, unique in the pod, by which services and probes can refer to it."),
    ] = ""
    containerPort: Annotated[
        Int32,
        Required(),
        Range(1, 65535),
        Doc("Port number on the pod's address on which the container listens, 1 to 65535."),
    ] = 0
    hostIP: Annotated[str, Doc("Address of the node to which `hostPort` is bound; all addresses if empty.")] = ""
    hostPort: Annotated[
        Int32,
        Range(1, 65535),
        Doc(
            "Port of the node that leads to the container; must equal containerPort if the pod uses the node's network."
        ),
    ] = 0
    protocol: Annotated[
        str,
        OneOf("TCP", "UDP", "SCTP"),
        Default("TCP"),
        Doc("Transport protocol of the port: TCP (default), UDP or SCTP."),
    ] = ""


class ResourceClaim(Record):
    """Reference to a resource claim of the pod that a container uses."""

    name: Annotated[str, Doc("Name of an entry in the pod's resourceClaims.")] = ""
    request: Annotated[str, Doc("Name of one request in the claim; all requests of the claim if empty.")] = ""


class ResourceRequirements(Record):
    """Compute resources that a container or pod requests, and the limits it may not exceed."""

    claims: Annotated[
        list[ResourceClaim],
        ListMap(keys=("name",)),
        Doc("Entries of the pod's resourceClaims that the container uses; ignored by Fairlead's nodes."),
    ] = []
    limits: Annotated[
        Resources,
        Doc(
            "Maximum amounts of resources that the container may use, by resource name; without control groups "
            "Fairlead's nodes enforce memory only."
        ),
    ] = {}
    requests: Annotated[
        Resources, Doc("Amounts of resources that are reserved for the container on its node; default: the limits.")
    ] = {}


class ContainerResizePolicy(Record):
    """Rule that says whether a container restarts when one of its resources is resized."""

    resourceName: Annotated[str, Doc("Name of the resource that the policy applies to: cpu or memory.")] = ""
    restartPolicy: Annotated[
        str, Doc("Restart of the container after a change of the resource: NotRequired (default) or RestartContainer.")
    ] = ""


class ContainerRestartRuleOnExitCodes(Record):
    """Condition on the exit code of a container: an operator and a list of codes."""

    operator: Annotated[str, Doc("Relation of the exit code to `values`: In or NotIn.")] = ""
    values: Annotated[list[Int32], SetList(), Doc("Exit codes to compare with, at most 255.")] = []


class ContainerRestartRule(Record):
    """Exception to the restart policy for a container that exits with certain codes."""

    action: Annotated[str, Doc("Action if the rule matches: Restart or RestartAllContainers.")] = ""
    exitCodes: (
        Annotated[ContainerRestartRuleOnExitCodes, Doc("Exit codes of the container for which the rule matches.")]
        | None
    ) = None


class VolumeMount(Record):
    """Place in a container's file system at which a volume of the pod appears."""

    name: Annotated[str, Required(), Doc("Name of the pod's volume to mount.")] = ""
    mountPath: Annotated[
        str, Required(), Doc("Path in the container at which the volume is mounted; may not contain a colon.")
    ] = ""
    bindMountOptions: Annotated[
        list[str], SetList(), Doc("Options of the bind mount: noexec, nodev or nosuid; ignored by Fairlead's nodes.")
    ] = []
    mountPropagation: (
        Annotated[
            str,
            OneOf("None", "HostToContainer", "Bidirectional"),
            Doc(
                "Propagation of later mounts: None (default), HostToContainer or Bidirectional; Fairlead's nodes "
                "ignore all but None."
            ),
        ]
        | None
    ) = None
    readOnly: Annotated[bool, Doc("Set to true to mount the volume read-only; default false.")] = False
    recursiveReadOnly: (
        Annotated[
            str,
            OneOf("Disabled", "IfPossible", "Enabled"),
            Doc(
                "Read-only state of mounts below a read-only mount: Disabled (default), IfPossible or Enabled, "
                "which Fairlead's nodes ignore."
            ),
        ]
        | None
    ) = None
    subPath: Annotated[str, Doc("Path inside the volume to mount in place of its root; relative, without `..`.")] = ""
    subPathExpr: Annotated[
        str,
        Doc(
            "Path inside the volume with $(NAME) references to environment variables; mutually exclusive "
            "with `subPath`."
        ),
    ] = ""


class VolumeDevice(Record):
    """Path in a container at which a block volume appears as a device."""

    name: Annotated[str, Required(), Doc("Name of the pod's volume, which must be a claim in Block mode.")] = ""
    devicePath: Annotated[str, Required(), Doc("Path in the container at which the block device appears.")] = ""


class Container(Record):
    """Program that runs in a pod, with its image, command, environment, resources and probes."""

    name: Annotated[
        str, Required(), Format("dns-label"), Doc("Name of the container, a DNS label unique in the pod; immutable.")
    ] = ""
    args: Annotated[
        Strings,
        Doc("Arguments of the entry point; default: the image's CMD. $(NAME) refers to an environment variable."),
    ] = []
    command: Annotated[
        Strings, Doc("Entry point of the container; default: the image's ENTRYPOINT. No shell interprets the words.")
    ] = []
    env: Annotated[
        list[EnvVar], BY_NAME, Doc("Environment variables of the container; override those of `envFrom`.")
    ] = []
    envFrom: Annotated[
        list[EnvFromSource], Atomic(), Doc("Config maps and secrets whose keys become environment variables.")
    ] = []
    image: Annotated[
        str, Required(), Doc("Image from which the container is created, such as registry.example.com/web:1.2.")
    ] = ""
    imagePullPolicy: Annotated[
        str,
        OneOf("Always", "IfNotPresent", "Never"),
        Doc("Time of image pulls: Always (default for tag latest), IfNotPresent (default for other tags) or Never."),
    ] = ""
    lifecycle: Annotated[Lifecycle, Doc("Actions that run after the container's start and before its stop.")] | None = (
        None
    )
    livenessProbe: Annotated[Probe, Doc("Probe whose failure restarts the container.")] | None = None
    ports: Annotated[
        list[ContainerPort],
        ListMap(keys=("containerPort", "protocol"), patch_key="containerPort"),
        Doc("Ports on which the container listens; informative, ports that are not listed stay reachable."),
    ] = []
    readinessProbe: (
        Annotated[Probe, Doc("Probe whose failure removes the pod from the endpoints of services.")] | None
    ) = None
    resizePolicy: Annotated[
        list[ContainerResizePolicy],
        Atomic(),
        Doc("Restart of the container after in-place changes of its resources, by resource."),
    ] = []
    resources: Annotated[
        ResourceRequirements, Doc("Amounts of resources that the container requests and may use at most.")
    ] = msgspec.field(default_factory=ResourceRequirements)
    restartPolicy: (
        Annotated[
            str,
            OneOf("Always", "OnFailure", "Never"),
            Doc(
                "Restart policy of the container in place of the pod's; Always turns an init container into a sidecar."
            ),
        ]
        | None
    ) = None
    restartPolicyRules: Annotated[
        list[ContainerRestartRule],
        Atomic(),
        Doc("Rules, checked in order, that restart the container by exit code in place of `restartPolicy`."),
    ] = []
    securityContext: (
        Annotated[
            SecurityContext, Doc("Identity and privileges of the container; overrides the pod's securityContext.")
        ]
        | None
    ) = None
    startupProbe: (
        Annotated[Probe, Doc("Probe that must succeed once before liveness and readiness probes begin.")] | None
    ) = None
    stdin: Annotated[
        bool, Doc("Set to true to allocate a standard input, which clients can attach to; default false.")
    ] = False
    stdinOnce: Annotated[
        bool, Doc("Set to true to close the standard input after the first client has detached; default false.")
    ] = False
    terminationMessagePath: Annotated[
        str, Doc("Path in the container of the file with its termination message; default /dev/termination-log.")
    ] = ""
    terminationMessagePolicy: Annotated[
        str,
        OneOf("File", "FallbackToLogsOnError"),
        Doc(
            "Source of the termination message: File (default) or FallbackToLogsOnError (end of the log "
            "after a failure)."
        ),
    ] = ""
    tty: Annotated[bool, Doc("Set to true to allocate a terminal, which requires `stdin`; default false.")] = False
    volumeDevices: Annotated[
        list[VolumeDevice],
        ListMap(keys=("devicePath",), patch_key="devicePath"),
        Doc("Block devices that the container uses, by volume; ignored by Fairlead's nodes."),
    ] = []
    volumeMounts: Annotated[
        list[VolumeMount],
        ListMap(keys=("mountPath",), patch_key="mountPath"),
        Doc("Volumes that are mounted into the container, with their paths."),
    ] = []
    workingDir: Annotated[str, Doc("Working directory of the container's process; default: the image's.")] = ""


class EphemeralContainer(Container):
    """Container that is added to a running pod for debugging and never restarted."""

    targetContainerName: Annotated[
        str, Doc("Name of the container whose process namespace the ephemeral container joins; the pod's if empty.")
    ] = ""
