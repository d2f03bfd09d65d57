"""Checks of each container of a pod, and of all containers together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set

from fairlead.api.core.pod.containers.container import (
    Container,
    ContainerPort,
    EphemeralContainer,
    VolumeDevice,
    VolumeMount,
)
from fairlead.api.core.pod.containers.env_rules import env_errors, env_from_errors
from fairlead.api.core.pod.containers.probe_rules import container_probe_errors, init_probe_errors
from fairlead.api.core.pod.containers.resource_rules import resource_errors
from fairlead.api.core.pod.containers.security import SeccompProfile, SecurityContext
from fairlead.api.core.pod.spec import PodSpec
from fairlead.api.meta.rules import not_found, relative_path
from fairlead.machinery.values.status import FieldError, duplicate, forbidden, invalid, not_supported, required

_UNFIT_FOR_EPHEMERAL = (
    *("ports", "resources", "resizePolicy", "restartPolicy", "restartPolicyRules"),
    *("livenessProbe", "readinessProbe", "startupProbe", "lifecycle"),
)
_UNSET = EphemeralContainer()
_MOST_RULES, _MOST_CODES = 20, 255
_ACTIONS, _OPERATORS = ("Restart", "RestartAllContainers"), ("In", "NotIn")
_NOT_EPHEMERAL = "cannot be set for an Ephemeral Container"


def container_list_errors(spec: PodSpec, path: str) -> Iterator[FieldError]:
    """Yields errors of the containers in all three lists of a pod spec."""
    grace_s = spec.terminationGracePeriodSeconds or 0
    volumes = {volume.name for volume in spec.volumes}
    if not spec.containers:
        yield required(f"{path}.containers")
    seen: set[str] = set()
    for i, container in enumerate(spec.containers):
        where = f"{path}.containers[{i}]"
        yield from _container_errors(container, volumes, where)
        yield from _name_clash(container, seen, where)
        yield from container_probe_errors(container, where, grace_s=grace_s)
    yield from _host_port_clashes(spec.containers, f"{path}.containers")
    for i, container in enumerate(spec.initContainers):
        where = f"{path}.initContainers[{i}]"
        yield from _container_errors(container, volumes, where)
        yield from _name_clash(container, seen, where)
        if container.restartPolicy == "Always":
            yield from container_probe_errors(container, where, grace_s=grace_s)
        else:
            yield from init_probe_errors(container, where)
    targets = frozenset(seen)
    for i, ephemeral in enumerate(spec.ephemeralContainers):
        where = f"{path}.ephemeralContainers[{i}]"
        yield from _container_errors(ephemeral, volumes, where)
        yield from _name_clash(ephemeral, seen, where)
        yield from _ephemeral_errors(ephemeral, targets, where)
    if spec.hostNetwork:
        yield from _host_network_errors(spec.containers, f"{path}.containers")


def _ephemeral_errors(container: EphemeralContainer, targets: Set[str], path: str) -> Iterator[FieldError]:
    if container.targetContainerName and container.targetContainerName not in targets:
        yield not_found(f"{path}.targetContainerName", container.targetContainerName)
    for name in _UNFIT_FOR_EPHEMERAL:
        if getattr(container, name) != getattr(_UNSET, name):
            yield forbidden(f"{path}.{name}", _NOT_EPHEMERAL)
    for i, mount in enumerate(container.volumeMounts):
        for name in ("subPath", "subPathExpr"):
            if getattr(mount, name):
                yield forbidden(f"{path}.volumeMounts[{i}].{name}", _NOT_EPHEMERAL)


def _restart_errors(container: Container, path: str) -> Iterator[FieldError]:
    rules = container.restartPolicyRules
    if rules and not container.restartPolicy:
        yield required(f"{path}.restartPolicy", "must specify restartPolicy when restart rules are used")
    if len(rules) > _MOST_RULES:
        yield _too_many(f"{path}.restartPolicyRules", len(rules), _MOST_RULES)
    for i, rule in enumerate(rules):
        where = f"{path}.restartPolicyRules[{i}]"
        if rule.action not in _ACTIONS:
            yield not_supported(f"{where}.action", rule.action, _ACTIONS)
        codes = rule.exitCodes
        if codes is None:
            yield required(f"{where}.exitCodes", "must be specified")
            continue
        if codes.operator not in _OPERATORS:
            yield not_supported(f"{where}.exitCodes.operator", codes.operator, _OPERATORS)
        if len(codes.values) > _MOST_CODES:
            yield _too_many(f"{where}.exitCodes.values", len(codes.values), _MOST_CODES)


def _too_many(path: str, number: int, most: int) -> FieldError:
    return FieldError(path, "TooMany", number, f"must have at most {most} items")


def _name_clash(container: Container, seen: set[str], path: str) -> Iterator[FieldError]:
    if container.name in seen:
        yield duplicate(f"{path}.name", container.name)
    if container.name:
        seen.add(container.name)


def _container_errors(container: Container, volumes: set[str], path: str) -> Iterator[FieldError]:
    image = container.image
    if image != image.strip():
        yield invalid(f"{path}.image", image, "must not have leading or trailing whitespace")
    yield from _restart_errors(container, path)
    yield from _port_errors(container.ports, f"{path}.ports")
    yield from env_errors(container.env, f"{path}.env")
    yield from env_from_errors(container.envFrom, f"{path}.envFrom")
    yield from _mount_errors(container, volumes, f"{path}.volumeMounts")
    yield from _device_errors(container.volumeDevices, volumes, f"{path}.volumeDevices")
    yield from resource_errors(container.resources, f"{path}.resources")
    if container.securityContext is not None:
        yield from _security_errors(container.securityContext, f"{path}.securityContext")


def _port_errors(ports: list[ContainerPort], path: str) -> Iterator[FieldError]:
    seen: set[str] = set()
    for i, port in enumerate(ports):
        if port.name and port.name in seen:
            yield duplicate(f"{path}[{i}].name", port.name)
        seen.add(port.name)


def _host_port_clashes(containers: Sequence[Container], path: str) -> Iterator[FieldError]:
    seen: set[str] = set()
    for i, container in enumerate(containers):
        for j, port in enumerate(container.ports):
            if not port.hostPort:
                continue
            key = f"{port.protocol}/{port.hostIP}/{port.hostPort}"
            if key in seen:
                yield duplicate(f"{path}[{i}].ports[{j}].hostPort", key)
            seen.add(key)


def _host_network_errors(containers: Sequence[Container], path: str) -> Iterator[FieldError]:
    for i, container in enumerate(containers):
        for j, port in enumerate(container.ports):
            if port.hostPort not in (0, port.containerPort):
                text = "must match `hostPort` when `hostNetwork` is true"
                yield invalid(f"{path}[{i}].ports[{j}].containerPort", port.containerPort, text)


def _mount_errors(container: Container, volumes: set[str], path: str) -> Iterator[FieldError]:
    seen: set[str] = set()
    for i, mount in enumerate(container.volumeMounts):
        where = f"{path}[{i}]"
        if mount.name and mount.name not in volumes:
            yield not_found(f"{where}.name", mount.name)
        if mount.mountPath and mount.mountPath in seen:
            yield invalid(f"{where}.mountPath", mount.mountPath, "must be unique")
        seen.add(mount.mountPath)
        yield from _device_clashes(mount, container.volumeDevices, where)
        if mount.subPath:
            yield from relative_path(mount.subPath, f"{path}.subPath")
        if mount.subPathExpr:
            if mount.subPath:
                text = "subPathExpr and subPath are mutually exclusive"
                yield invalid(f"{where}.subPathExpr", mount.subPathExpr, text)
            yield from relative_path(mount.subPathExpr, f"{path}.subPathExpr")
        if mount.mountPropagation == "Bidirectional" and not _is_privileged(container):
            text = "Bidirectional mount propagation is available only to privileged containers"
            yield forbidden(f"{where}.mountPropagation", text)


def _is_privileged(container: Container) -> bool:
    return container.securityContext is not None and container.securityContext.privileged is True


def _device_clashes(mount: VolumeMount, devices: list[VolumeDevice], path: str) -> Iterator[FieldError]:
    if any(device.name == mount.name for device in devices):
        yield invalid(f"{path}.name", mount.name, "must not already exist in volumeDevices")
    if any(device.devicePath == mount.mountPath for device in devices):
        yield invalid(f"{path}.mountPath", mount.mountPath, "must not already exist as a path in volumeDevices")


def _device_errors(devices: list[VolumeDevice], volumes: set[str], path: str) -> Iterator[FieldError]:
    seen: set[str] = set()
    for i, device in enumerate(devices):
        if device.name and device.name not in volumes:
            yield not_found(f"{path}[{i}].name", device.name)
        if device.devicePath in seen:
            yield invalid(f"{path}[{i}].devicePath", device.devicePath, "must be unique")
        seen.add(device.devicePath)


def _security_errors(context: SecurityContext, path: str) -> Iterator[FieldError]:
    if context.allowPrivilegeEscalation is False and context.privileged:
        text = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
        yield invalid(path, _shown(context), text)
    yield from seccomp_errors(context.seccompProfile, f"{path}.seccompProfile")


def seccomp_errors(profile: SeccompProfile | None, path: str) -> Iterator[FieldError]:
    if profile is None:
        return
    where = f"{path}.localhostProfile"
    if profile.type != "Localhost":
        if profile.localhostProfile is not None:
            shown = {"type": profile.type, "localhostProfile": profile.localhostProfile}
            yield invalid(where, shown, "can only be set when seccomp type is Localhost")
    elif profile.localhostProfile is None:
        yield required(where, "must be set when seccomp type is Localhost")
    else:
        yield from relative_path(profile.localhostProfile, where)


def _shown(context: SecurityContext) -> dict[str, bool | None]:
    return {"privileged": context.privileged, "allowPrivilegeEscalation": context.allowPrivilegeEscalation}
