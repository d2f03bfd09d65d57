"""A container of a pod: image, command, ports, resources, mounts."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fairlead.api.env import EnvFromSource, EnvVar
from fairlead.api.meta import BY_NAME, Int32, Record, Resources, Strings
from fairlead.api.probe import Lifecycle, Probe
from fairlead.api.security import SecurityContext
from fairlead.machinery.kind import Atomic, Default, Doc, Format, ListMap, OneOf, Range, Required, SetList


class ContainerPort(Record):
    name: Annotated[str, Format("port-name"), Doc("A name that services can refer to.")] = ""
    containerPort: Annotated[Int32, Required(), Range(1, 65535), Doc("Where the container listens.")] = 0
    hostIP: Annotated[str, Doc("The node's address that leads to it.")] = ""
    hostPort: Annotated[Int32, Range(1, 65535), Doc("A port of the node that leads to it.")] = 0
    protocol: Annotated[str, OneOf("TCP", "UDP", "SCTP"), Default("TCP"), Doc("TCP, UDP or SCTP.")] = ""


class ResourceClaim(Record):
    name: str = ""
    request: str = ""


class ResourceRequirements(Record):
    claims: Annotated[list[ResourceClaim], ListMap(keys=("name",))] = []
    limits: Resources = {}
    requests: Resources = {}


class ContainerResizePolicy(Record):
    resourceName: str = ""
    restartPolicy: str = ""


class ContainerRestartRuleOnExitCodes(Record):
    operator: str = ""
    values: Annotated[list[Int32], SetList()] = []


class ContainerRestartRule(Record):
    action: str = ""
    exitCodes: ContainerRestartRuleOnExitCodes | None = None


class VolumeMount(Record):
    name: Annotated[str, Required()] = ""
    mountPath: Annotated[str, Required()] = ""
    bindMountOptions: Annotated[list[str], SetList()] = []
    mountPropagation: Annotated[str, OneOf("None", "HostToContainer", "Bidirectional")] | None = None
    readOnly: bool = False
    recursiveReadOnly: Annotated[str, OneOf("Disabled", "IfPossible", "Enabled")] | None = None
    subPath: str = ""
    subPathExpr: str = ""


class VolumeDevice(Record):
    name: Annotated[str, Required()] = ""
    devicePath: Annotated[str, Required()] = ""


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
    targetContainerName: str = ""
