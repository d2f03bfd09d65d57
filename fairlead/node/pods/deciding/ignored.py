"""Fields of a pod that these nodes do not implement: reported once in an event instead of being silently ignored. Pure.

What must stay true: every field of a PodSpec is acted on, refused with an event of its own, without a meaning here, or
named by `ignored_fields`. `tests/node/pods/test_ignored.py` has the whole list and fails if a field is in none of the
four.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import msgspec

from fairlead.api.core.pod.containers.container import Container, EphemeralContainer, ResourceRequirements, VolumeMount
from fairlead.api.core.pod.containers.probe import HTTPGetAction, LifecycleHandler
from fairlead.api.core.pod.containers.security import PodSecurityContext, SecurityContext
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.spec import PodSpec
from fairlead.api.core.pod.volumes.volume import EmptyDirVolumeSource
from fairlead.api.core.pod.volumes.volume_projected import (
    ConfigMapVolumeSource,
    DownwardAPIVolumeFile,
    DownwardAPIVolumeSource,
    KeyToPath,
    ProjectedVolumeSource,
    SecretVolumeSource,
    ServiceAccountTokenProjection,
)

Asks = Callable[[Any], bool]
"""Returns True if a value asks for more than the default behaviour."""


def _any(value: Any) -> bool:
    return value not in (None, "", False, 0, [], {})


def _one_of(*values: str) -> Asks:
    return lambda value: value in values


_SECURITY: Mapping[str, Asks] = {
    "appArmorProfile": lambda profile: profile is not None and profile.type != "Unconfined",
    "seLinuxOptions": _any,
    "windowsOptions": _any,
}
IGNORED: Mapping[type, Mapping[str, Asks]] = {
    PodSpec: {
        "evictionResponders": _any,
        "os": lambda os: os is not None and os.name == "windows",
        "resourceClaims": _any,
        "runtimeClassName": _any,
        "schedulingGroup": _any,
    },
    PodSecurityContext: {**_SECURITY, "seLinuxChangePolicy": _any},
    Container: {
        "volumeDevices": _any,
    },
    EphemeralContainer: {"volumeDevices": _any},
    SecurityContext: _SECURITY,
    ResourceRequirements: {"claims": _any},
    HTTPGetAction: {"protocol": _any},
    LifecycleHandler: {"tcpSocket": _any},
    VolumeMount: {
        "bindMountOptions": _any,
        "mountPropagation": _one_of("HostToContainer", "Bidirectional"),
    },
    EmptyDirVolumeSource: {"mode": _any},
    ConfigMapVolumeSource: {"defaultUser": _any},
    SecretVolumeSource: {"defaultUser": _any},
    DownwardAPIVolumeSource: {"defaultUser": _any},
    ProjectedVolumeSource: {"defaultUser": _any},
    KeyToPath: {"user": _any},
    DownwardAPIVolumeFile: {"user": _any},
    ServiceAccountTokenProjection: {"user": _any},
}
"""The values of each field that ask for something unimplemented, by the type that has the field."""


_REASONS: Mapping[str, str] = {
    "hostUsers": "the ids of Pods are those of the machine in a cluster of root",
    "mountPropagation": "later mounts would bring devices and writable kernel files past the node's guards",
}
"""Reasons, by the name of the field that is ignored."""


def explained(path: str) -> str:
    """Returns the path of an ignored field, with its reason if `_REASONS` has one."""
    reason = _REASONS.get(path.rpartition(".")[2])
    return f"{path} ({reason})" if reason else path


def ignored_fields(pod: Pod, *, kernel_limits: bool, host_namespaces: bool) -> list[str]:
    """Returns the paths of the pod's unimplemented fields, as in the manifest. Without control groups (`kernel_limits`)
    only memory is limited. Only pods of root's clusters may have the node's namespaces (`host_namespaces`)."""
    limited = {"memory", "ephemeral-storage", *(["cpu"] if kernel_limits else [])}
    return sorted({*_walk(pod.spec, "spec"), *_limits(pod, limited), *_namespaces(pod, host=host_namespaces)})


def _namespaces(pod: Pod, *, host: bool) -> Iterator[str]:
    """Yields the paths of settings that only one kind of cluster follows. An ordinary user's cluster maps no id of
    another user, so that every Pod is without the machine's users there."""
    if host:
        yield from _unmasked(pod)
        if pod.spec.hostUsers is False:
            yield "spec.hostUsers"
    else:
        yield from (f"spec.{name}" for name in ("hostIPC", "hostPID") if getattr(pod.spec, name))


def _unmasked(pod: Pod) -> Iterator[str]:
    """Yields the paths of open /proc mounts, which would give the machine to a container of root's cluster."""
    for name in ("initContainers", "containers"):
        for i, container in enumerate(getattr(pod.spec, name)):
            if container.securityContext and container.securityContext.procMount == "Unmasked":
                yield f"spec.{name}[{i}].securityContext.procMount"


def _limits(pod: Pod, limited: Collection[str]) -> Iterator[str]:
    """Yields the ineffective limits."""
    if pod.spec.resources is not None and pod.spec.resources.limits and "cpu" not in limited:
        yield "spec.resources.limits"
    for name in ("initContainers", "containers"):
        for i, container in enumerate(getattr(pod.spec, name)):
            rest = (limit for limit in container.resources.limits if limit not in limited)
            yield from (f"spec.{name}[{i}].resources.limits[{limit}]" for limit in rest)


def _walk(owner: msgspec.Struct, path: str) -> Iterator[str]:
    rules = IGNORED.get(type(owner), {})
    for name in owner.__struct_fields__:
        value = getattr(owner, name)
        here = f"{path}.{name}"
        if name in rules and rules[name](value):
            yield here
        elif isinstance(value, msgspec.Struct):
            yield from _walk(value, here)
        elif isinstance(value, list):
            for i, item in enumerate(value):
                if isinstance(item, msgspec.Struct):
                    yield from _walk(item, f"{here}[{i}]")
    if isinstance(owner, EmptyDirVolumeSource) and owner.medium not in ("", "Memory"):
        yield f"{path}.medium"
