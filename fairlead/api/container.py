"""A container of a pod: image, command, ports, resources, mounts."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fairlead.api.env import EnvFromSource, EnvVar
from fairlead.api.meta import BY_NAME, Int32, Record, Resources, Strings
from fairlead.api.probe import Lifecycle, Probe
from fairlead.api.security import SecurityContext
from fairlead.machinery.kind import Atomic, Format, ListMap, OneOf, Range, Required, SetList


class ContainerPort(Record):
    name: Annotated[str, Format("port-name")] = ""
    containerPort: Annotated[Int32, Required(), Range(1, 65535)] = 0
    hostIP: str = ""
    hostPort: Annotated[Int32, Range(1, 65535)] = 0
    protocol: Annotated[str, OneOf("TCP", "UDP", "SCTP")] = ""


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
    name: Annotated[str, Required(), Format("dns-label")] = ""
    args: Strings = []
    command: Strings = []
    env: Annotated[list[EnvVar], BY_NAME] = []
    envFrom: Annotated[list[EnvFromSource], Atomic()] = []
    image: Annotated[str, Required()] = ""
    imagePullPolicy: Annotated[str, OneOf("Always", "IfNotPresent", "Never")] = ""
    lifecycle: Lifecycle | None = None
    livenessProbe: Probe | None = None
    ports: Annotated[list[ContainerPort], ListMap(keys=("containerPort", "protocol"), patch_key="containerPort")] = []
    readinessProbe: Probe | None = None
    resizePolicy: Annotated[list[ContainerResizePolicy], Atomic()] = []
    resources: ResourceRequirements = msgspec.field(default_factory=ResourceRequirements)
    restartPolicy: Annotated[str, OneOf("Always", "OnFailure", "Never")] | None = None
    restartPolicyRules: Annotated[list[ContainerRestartRule], Atomic()] = []
    securityContext: SecurityContext | None = None
    startupProbe: Probe | None = None
    stdin: bool = False
    stdinOnce: bool = False
    terminationMessagePath: str = ""
    terminationMessagePolicy: Annotated[str, OneOf("File", "FallbackToLogsOnError")] = ""
    tty: bool = False
    volumeDevices: Annotated[list[VolumeDevice], ListMap(keys=("devicePath",), patch_key="devicePath")] = []
    volumeMounts: Annotated[list[VolumeMount], ListMap(keys=("mountPath",), patch_key="mountPath")] = []
    workingDir: str = ""


class EphemeralContainer(Container):
    targetContainerName: str = ""
