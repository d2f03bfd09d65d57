"""A container of a pod: image, command, ports, resources, mounts."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fairlead.api.core.pod.env import EnvFromSource, EnvVar
from fairlead.api.core.pod.probe import Lifecycle, Probe
from fairlead.api.core.pod.security import SecurityContext
from fairlead.api.meta.types import BY_NAME, Int32, Record, Resources, Strings
from fairlead.machinery.kind import Atomic, Default, Doc, Format, ListMap, OneOf, Range, Required, SetList


class ContainerPort(Record):
    name: Annotated[str, Format("port-name"), Doc("A name that services can refer to.")] = ""
    containerPort: Annotated[Int32, Required(), Range(1, 65535), Doc("Where the container listens.")] = 0
    hostIP: Annotated[str, Doc("The node's address that leads to it.")] = ""
    hostPort: Annotated[Int32, Range(1, 65535), Doc("A port of the node that leads to it.")] = 0
    protocol: Annotated[str, OneOf("TCP", "UDP", "SCTP"), Default("TCP"), Doc("TCP, UDP or SCTP.")] = ""


class ResourceClaim(Record):
    name: Annotated[str, Doc("One of the pod's resourceClaims.")] = ""
    request: Annotated[str, Doc("Which request of that claim; all of them unless given.")] = ""


class ResourceRequirements(Record):
    claims: Annotated[
        list[ResourceClaim], ListMap(keys=("name",)), Doc("Which of the pod's resource claims it uses.")
    ] = []
    limits: Annotated[Resources, Doc("The most it may use.")] = {}
    requests: Annotated[Resources, Doc("The least it needs; decides about where it fits.")] = {}


class ContainerResizePolicy(Record):
    resourceName: Annotated[str, Doc("The resource: cpu or memory.")] = ""
    restartPolicy: Annotated[
        str, Doc("Whether a change of it restarts the container: NotRequired or RestartContainer.")
    ] = ""


class ContainerRestartRuleOnExitCodes(Record):
    operator: Annotated[str, Doc("In or NotIn.")] = ""
    values: Annotated[list[Int32], SetList(), Doc("The exit codes.")] = []


class ContainerRestartRule(Record):
    action: Annotated[str, Doc("What to do where it holds, such as Restart.")] = ""
    exitCodes: Annotated[ContainerRestartRuleOnExitCodes, Doc("With which exit codes it holds.")] | None = None


class VolumeMount(Record):
    name: Annotated[str, Required(), Doc("Which of the pod's volumes.")] = ""
    mountPath: Annotated[str, Required(), Doc("Where it appears in the container.")] = ""
    bindMountOptions: Annotated[list[str], SetList(), Doc("Options of the mount: noexec, nodev or nosuid.")] = []
    mountPropagation: (
        Annotated[
            str,
            OneOf("None", "HostToContainer", "Bidirectional"),
            Doc("Whether later mounts pass between node and container: None, HostToContainer or Bidirectional."),
        ]
        | None
    ) = None
    readOnly: Annotated[bool, Doc("Whether the container cannot write to it.")] = False
    recursiveReadOnly: (
        Annotated[
            str,
            OneOf("Disabled", "IfPossible", "Enabled"),
            Doc("Whether mounts below it are read-only too: Disabled, IfPossible or Enabled."),
        ]
        | None
    ) = None
    subPath: Annotated[str, Doc("The part of the volume to show, instead of all of it.")] = ""
    subPathExpr: Annotated[str, Doc("The same, with $(NAME) for environment variables.")] = ""


class VolumeDevice(Record):
    name: Annotated[str, Required(), Doc("A claim among the pod's volumes.")] = ""
    devicePath: Annotated[str, Required(), Doc("Where the device appears in the container.")] = ""


class Container(Record):
    name: Annotated[str, Required(), Format("dns-label"), Doc("Unique in the pod.")] = ""
    args: Annotated[Strings, Doc("In place of the image's arguments.")] = []
    command: Annotated[Strings, Doc("In place of the image's entry point.")] = []
    env: Annotated[list[EnvVar], BY_NAME, Doc("Environment variables.")] = []
    envFrom: Annotated[
        list[EnvFromSource], Atomic(), Doc("Config maps and secrets whose values all become environment.")
    ] = []
    image: Annotated[str, Required(), Doc("What to run it from.")] = ""
    imagePullPolicy: Annotated[str, OneOf("Always", "IfNotPresent", "Never"), Doc("Always, IfNotPresent or Never.")] = (
        ""
    )
    lifecycle: Annotated[Lifecycle, Doc("What to do at its start and end.")] | None = None
    livenessProbe: Annotated[Probe, Doc("When it fails, the container is restarted.")] | None = None
    ports: Annotated[
        list[ContainerPort],
        ListMap(keys=("containerPort", "protocol"), patch_key="containerPort"),
        Doc("Where it listens; for people and for names, nothing is closed by leaving it out."),
    ] = []
    readinessProbe: Annotated[Probe, Doc("While it fails, services leave the pod out.")] | None = None
    resizePolicy: Annotated[
        list[ContainerResizePolicy], Atomic(), Doc("Whether a change of resources restarts it.")
    ] = []
    resources: Annotated[ResourceRequirements, Doc("What it is given at least and at most.")] = msgspec.field(
        default_factory=ResourceRequirements
    )
    restartPolicy: (
        Annotated[str, OneOf("Always", "OnFailure", "Never"), Doc("Always makes an init container stay.")] | None
    ) = None
    restartPolicyRules: Annotated[
        list[ContainerRestartRule], Atomic(), Doc("When to start it again, by what it ended with.")
    ] = []
    securityContext: Annotated[SecurityContext, Doc("Whom it runs as, and what it may do.")] | None = None
    startupProbe: Annotated[Probe, Doc("Until it passes, the other probes wait.")] | None = None
    stdin: Annotated[bool, Doc("Whether it has an input.")] = False
    stdinOnce: Annotated[bool, Doc("Whether its input ends with the first client.")] = False
    terminationMessagePath: Annotated[str, Doc("The file it leaves its last words in.")] = ""
    terminationMessagePolicy: Annotated[
        str, OneOf("File", "FallbackToLogsOnError"), Doc("File, or FallbackToLogsOnError.")
    ] = ""
    tty: Annotated[bool, Doc("Whether it has a terminal.")] = False
    volumeDevices: Annotated[
        list[VolumeDevice], ListMap(keys=("devicePath",), patch_key="devicePath"), Doc("Block devices it gets.")
    ] = []
    volumeMounts: Annotated[
        list[VolumeMount],
        ListMap(keys=("mountPath",), patch_key="mountPath"),
        Doc("Where the volumes of the pod appear."),
    ] = []
    workingDir: Annotated[str, Doc("Where it starts.")] = ""


class EphemeralContainer(Container):
    targetContainerName: Annotated[str, Doc("The container whose processes it sees.")] = ""
