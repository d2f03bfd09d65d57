"""Security settings of a pod and of a container."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fairlead.api.meta.types import Int64, Record, Strings
from fairlead.machinery.kind import Atomic, Doc, OneOf, Range, Required

UserId = Annotated[Int64, Range(0, 2147483647)]


class SELinuxOptions(Record):
    type: Annotated[str, Doc("The type.")] = ""
    level: Annotated[str, Doc("The level.")] = ""
    role: Annotated[str, Doc("The role.")] = ""
    user: Annotated[str, Doc("The user.")] = ""


class WindowsSecurityContextOptions(Record):
    gmsaCredentialSpec: Annotated[str, Doc("The group account's credentials themselves.")] | None = None
    gmsaCredentialSpecName: Annotated[str, Doc("Which group account it runs under.")] | None = None
    hostProcess: Annotated[bool, Doc("Whether it runs as a process of the node itself.")] | None = None
    runAsUserName: Annotated[str, Doc("The user it runs as.")] | None = None


class SeccompProfile(Record):
    type: Annotated[
        str, OneOf("Localhost", "RuntimeDefault", "Unconfined"), Doc("Localhost, RuntimeDefault or Unconfined.")
    ] = ""
    localhostProfile: Annotated[str, Doc("The profile's file on the node.")] | None = None


class AppArmorProfile(Record):
    type: Annotated[
        str, OneOf("Localhost", "RuntimeDefault", "Unconfined"), Doc("Localhost, RuntimeDefault or Unconfined.")
    ] = ""
    localhostProfile: Annotated[str, Doc("The profile's name on the node.")] | None = None


class Capabilities(Record):
    add: Annotated[Strings, Doc("Rights added.")] = []
    drop: Annotated[Strings, Doc("Rights taken away.")] = []


class SecurityContext(Record):
    allowPrivilegeEscalation: Annotated[bool, Doc("Whether a process may get more rights than its parent.")] | None = (
        None
    )
    appArmorProfile: Annotated[AppArmorProfile, Doc("Its AppArmor profile.")] | None = None
    capabilities: Annotated[Capabilities, Doc("Rights added and taken away.")] | None = None
    privileged: Annotated[bool, Doc("Whether it may do nearly all that the node may.")] | None = None
    procMount: Annotated[str, OneOf("Default", "Unmasked"), Doc("How /proc is shown.")] | None = None
    readOnlyRootFilesystem: Annotated[bool, Doc("Whether its files cannot be changed.")] | None = None
    runAsGroup: Annotated[UserId, Doc("The group it runs as.")] | None = None
    runAsNonRoot: Annotated[bool, Doc("Whether it may not run as root.")] | None = None
    runAsUser: Annotated[UserId, Doc("The user it runs as.")] | None = None
    seLinuxOptions: Annotated[SELinuxOptions, Doc("Its SELinux labels.")] | None = None
    seccompProfile: Annotated[SeccompProfile, Doc("Its seccomp profile.")] | None = None
    windowsOptions: Annotated[WindowsSecurityContextOptions, Doc("For Windows.")] | None = None


class Sysctl(Record):
    name: Annotated[str, Required(), Doc("Which setting.")] = ""
    value: Annotated[str, Doc("Its value.")] = msgspec.field(default_factory=str)


class PodSecurityContext(Record):
    appArmorProfile: Annotated[AppArmorProfile, Doc("The AppArmor profile of its containers.")] | None = None
    fsGroup: Annotated[UserId, Doc("The group that its volumes belong to.")] | None = None
    fsGroupChangePolicy: (
        Annotated[str, OneOf("OnRootMismatch", "Always"), Doc("When volumes are given to that group.")] | None
    ) = None
    runAsGroup: Annotated[UserId, Doc("The group its containers run as.")] | None = None
    runAsNonRoot: Annotated[bool, Doc("Whether they may not run as root.")] | None = None
    runAsUser: Annotated[UserId, Doc("The user they run as.")] | None = None
    seLinuxChangePolicy: Annotated[str, Doc("How volumes are labelled.")] | None = None
    seLinuxOptions: Annotated[SELinuxOptions, Doc("Their SELinux labels.")] | None = None
    seccompProfile: Annotated[SeccompProfile, Doc("Their seccomp profile.")] | None = None
    supplementalGroups: Annotated[list[Int64], Atomic(), Doc("Further groups.")] = []
    supplementalGroupsPolicy: (
        Annotated[str, OneOf("Merge", "Strict"), Doc("Whether groups of the image count too.")] | None
    ) = None
    sysctls: Annotated[list[Sysctl], Atomic(), Doc("Kernel settings of the pod.")] = []
    windowsOptions: Annotated[WindowsSecurityContextOptions, Doc("For Windows.")] | None = None
