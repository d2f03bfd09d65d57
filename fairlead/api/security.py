"""Security settings of a pod and of a container."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fairlead.api.meta import Int64, Record, Strings
from fairlead.machinery.kind import Atomic, OneOf, Range, Required

UserId = Annotated[Int64, Range(0, 2147483647)]


class SELinuxOptions(Record):
    type: str = ""
    level: str = ""
    role: str = ""
    user: str = ""


class WindowsSecurityContextOptions(Record):
    gmsaCredentialSpec: str | None = None
    gmsaCredentialSpecName: str | None = None
    hostProcess: bool | None = None
    runAsUserName: str | None = None


class SeccompProfile(Record):
    type: Annotated[str, OneOf("Localhost", "RuntimeDefault", "Unconfined")] = ""
    localhostProfile: str | None = None


class AppArmorProfile(Record):
    type: Annotated[str, OneOf("Localhost", "RuntimeDefault", "Unconfined")] = ""
    localhostProfile: str | None = None


class Capabilities(Record):
    add: Strings = []
    drop: Strings = []


class SecurityContext(Record):
    allowPrivilegeEscalation: bool | None = None
    appArmorProfile: AppArmorProfile | None = None
    capabilities: Capabilities | None = None
    privileged: bool | None = None
    procMount: Annotated[str, OneOf("Default", "Unmasked")] | None = None
    readOnlyRootFilesystem: bool | None = None
    runAsGroup: UserId | None = None
    runAsNonRoot: bool | None = None
    runAsUser: UserId | None = None
    seLinuxOptions: SELinuxOptions | None = None
    seccompProfile: SeccompProfile | None = None
    windowsOptions: WindowsSecurityContextOptions | None = None


class Sysctl(Record):
    name: Annotated[str, Required()] = ""
    value: str = msgspec.field(default_factory=str)


class PodSecurityContext(Record):
    appArmorProfile: AppArmorProfile | None = None
    fsGroup: UserId | None = None
    fsGroupChangePolicy: Annotated[str, OneOf("OnRootMismatch", "Always")] | None = None
    runAsGroup: UserId | None = None
    runAsNonRoot: bool | None = None
    runAsUser: UserId | None = None
    seLinuxChangePolicy: str | None = None
    seLinuxOptions: SELinuxOptions | None = None
    seccompProfile: SeccompProfile | None = None
    supplementalGroups: Annotated[list[Int64], Atomic()] = []
    supplementalGroupsPolicy: Annotated[str, OneOf("Merge", "Strict")] | None = None
    sysctls: Annotated[list[Sysctl], Atomic()] = []
    windowsOptions: WindowsSecurityContextOptions | None = None
