"""Security settings of a pod and of a container."""

from typing import Annotated

import msgspec

from fairlead.api.meta.types import Int64, Record, Strings
from fairlead.machinery.kinds.kind import Atomic, Doc, OneOf, Range, Required

UserId = Annotated[Int64, Range(0, 2147483647)]


class SELinuxOptions(Record):
    """SELinux label for the processes of a container or pod."""

    type: Annotated[str, Doc("SELinux type label of the container.")] = ""
    level: Annotated[str, Doc("SELinux level label of the container.")] = ""
    role: Annotated[str, Doc("SELinux role label of the container.")] = ""
    user: Annotated[str, Doc("SELinux user label of the container.")] = ""


class WindowsSecurityContextOptions(Record):
    """Security settings that apply only to containers on Windows nodes."""

    gmsaCredentialSpec: (
        Annotated[str, Doc("Contents of the credential spec of a group managed service account (Windows only).")] | None
    ) = None
    gmsaCredentialSpecName: (
        Annotated[str, Doc("Name of the credential spec of a group managed service account (Windows only).")] | None
    ) = None
    hostProcess: (
        Annotated[bool, Doc("Set to true to run the container as a process of the node (Windows only).")] | None
    ) = None
    runAsUserName: (
        Annotated[str, Doc("Name of the user that the container's process runs as (Windows only).")] | None
    ) = None


class SeccompProfile(Record):
    """Filter of system calls for the processes of a container or pod."""

    type: Annotated[
        str,
        OneOf("Localhost", "RuntimeDefault", "Unconfined"),
        Doc("Kind of the seccomp profile: Localhost (file on the node), RuntimeDefault or Unconfined."),
    ] = ""
    localhostProfile: (
        Annotated[
            str,
            Doc(
                "Path of the profile's file below the node's folder of profiles (~/.config/fairlead/seccomp); "
                "required if `type` is Localhost."
            ),
        ]
        | None
    ) = None


class AppArmorProfile(Record):
    """AppArmor profile that confines the processes of a container or pod."""

    type: Annotated[
        str,
        OneOf("Localhost", "RuntimeDefault", "Unconfined"),
        Doc("Kind of the AppArmor profile: Localhost (loaded on the node), RuntimeDefault or Unconfined."),
    ] = ""
    localhostProfile: (
        Annotated[str, Doc("Name of a profile loaded on the node; required if `type` is Localhost.")] | None
    ) = None


class Capabilities(Record):
    """Linux capabilities to add to or remove from the default set of a container."""

    add: Annotated[Strings, Doc("Linux capabilities to add to the runtime's default set, such as NET_ADMIN.")] = []
    drop: Annotated[Strings, Doc("Linux capabilities to remove; ALL removes the whole default set.")] = []


class SecurityContext(Record):
    """Privileges and user identity of one container; most fields override those of the pod."""

    allowPrivilegeEscalation: (
        Annotated[
            bool,
            Doc("Set to false to forbid processes to gain more privileges than their parent (no_new_privs)."),
        ]
        | None
    ) = None
    appArmorProfile: (
        Annotated[
            AppArmorProfile,
            Doc("AppArmor profile of the container; overrides the pod's profile. Fairlead's nodes ignore the field."),
        ]
        | None
    ) = None
    capabilities: (
        Annotated[Capabilities, Doc("Linux capabilities to add and to remove; default: the runtime's set.")] | None
    ) = None
    privileged: (
        Annotated[
            bool, Doc("Set to true to give the container nearly all rights of a process on the node; default false.")
        ]
        | None
    ) = None
    procMount: (
        Annotated[
            str,
            OneOf("Default", "Unmasked"),
            Doc("Type of the /proc mount: Default (some paths masked) or Unmasked, which clusters of root ignore."),
        ]
        | None
    ) = None
    readOnlyRootFilesystem: (
        Annotated[bool, Doc("Set to true to mount the container's root file system read-only; default false.")] | None
    ) = None
    runAsGroup: (
        Annotated[UserId, Doc("Primary group id of the container's process; default: the pod's, else the image's.")]
        | None
    ) = None
    runAsNonRoot: Annotated[bool, Doc("Set to true to refuse to start the container if its user id is 0.")] | None = (
        None
    )
    runAsUser: (
        Annotated[UserId, Doc("User id of the container's process; default: the pod's, else the image's.")] | None
    ) = None
    seLinuxOptions: (
        Annotated[
            SELinuxOptions,
            Doc("SELinux labels of the container; override the pod's labels. Fairlead's nodes ignore the field."),
        ]
        | None
    ) = None
    seccompProfile: (
        Annotated[
            SeccompProfile,
            Doc("Seccomp profile of the container; overrides the pod's profile."),
        ]
        | None
    ) = None
    windowsOptions: (
        Annotated[
            WindowsSecurityContextOptions,
            Doc("Settings of containers on Windows; ignored by Fairlead's nodes, which run Linux."),
        ]
        | None
    ) = None


class Sysctl(Record):
    """Kernel parameter that is set in the namespaces of a pod."""

    name: Annotated[str, Required(), Doc("Name of the kernel parameter, such as net.core.somaxconn.")] = ""
    value: Annotated[str, Doc("Value to set the kernel parameter to.")] = msgspec.field(default_factory=str)


class PodSecurityContext(Record):
    """Privileges and user identity for all containers of a pod."""

    appArmorProfile: (
        Annotated[AppArmorProfile, Doc("AppArmor profile of all containers in the pod; ignored by Fairlead's nodes.")]
        | None
    ) = None
    fsGroup: (
        Annotated[UserId, Doc("Group id that owns the pod's volumes; also a supplementary group of every container.")]
        | None
    ) = None
    fsGroupChangePolicy: (
        Annotated[
            str,
            OneOf("OnRootMismatch", "Always"),
            Doc("Time of ownership changes on volumes: Always (default) or OnRootMismatch."),
        ]
        | None
    ) = None
    runAsGroup: (
        Annotated[UserId, Doc("Primary group id of the containers' processes; default: the image's.")] | None
    ) = None
    runAsNonRoot: Annotated[bool, Doc("Set to true to refuse to start containers whose user id is 0.")] | None = None
    runAsUser: Annotated[UserId, Doc("User id of the containers' processes; default: the image's.")] | None = None
    seLinuxChangePolicy: (
        Annotated[
            str,
            Doc(
                "Method of SELinux labelling of volumes: MountOption (default) or Recursive; ignored by "
                "Fairlead's nodes."
            ),
        ]
        | None
    ) = None
    seLinuxOptions: (
        Annotated[SELinuxOptions, Doc("SELinux labels of all containers in the pod; ignored by Fairlead's nodes.")]
        | None
    ) = None
    seccompProfile: Annotated[SeccompProfile, Doc("Seccomp profile of all containers in the pod.")] | None = None
    supplementalGroups: Annotated[
        list[Int64], Atomic(), Doc("Supplementary group ids of the containers' first processes.")
    ] = []
    supplementalGroupsPolicy: (
        Annotated[
            str,
            OneOf("Merge", "Strict"),
            Doc("Source of supplementary groups: Merge (default; also from the image's /etc/group) or Strict."),
        ]
        | None
    ) = None
    sysctls: Annotated[
        list[Sysctl], Atomic(), Doc("Kernel parameters of the pod's namespaces; a node rejects pods with unsafe ones.")
    ] = []
    windowsOptions: (
        Annotated[
            WindowsSecurityContextOptions,
            Doc("Settings of containers on Windows; ignored by Fairlead's nodes, which run Linux."),
        ]
        | None
    ) = None
