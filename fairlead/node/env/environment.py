"""A container's environment and arguments, from the manifest and from the Services of its namespace. Pure.

Source: upstream's documentation of `env`, `command` and `args`, and of service environment variables.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from fairlead.api.core.pod.containers.container import Container
from fairlead.api.core.pod.containers.env import EnvVar, ResourceFieldSelector
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.service.kind import Service
from fairlead.api.core.service.predicates import has_cluster_ip
from fairlead.api.meta.columns import join_host_port
from fairlead.machinery.values.quantity import parse_quantity
from fairlead.node.env.fields import FieldProblem, resource_value, value_of
from fairlead.node.env.references import ConfigData

_REFERENCE = re.compile(r"\$(?:\$|\(([^()$]*)\))")


class ConfigProblem(Exception):
    """The container cannot be made from what it names. `reason` is the one in the container's status."""

    def __init__(self, text: str, reason: str = "CreateContainerConfigError") -> None:
        super().__init__(text)
        self.reason = reason


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replaces `$(NAME)` if the name is known; `$$` is a dollar sign."""

    def one(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return "$"
        return values.get(name, match[0])

    return _REFERENCE.sub(one, text)


def service_variables(services: Sequence[Service], namespace: str, *, links: bool) -> dict[str, str]:
    """Returns `WEB_SERVICE_HOST` and similar variables for the namespace's Services, and always those of
    `kubernetes`."""
    variables: dict[str, str] = {}
    chosen = {}
    for service in sorted(services, key=lambda s: (s.metadata.namespace, s.metadata.name)):
        meta = service.metadata
        master = meta.namespace == "default" and meta.name == "kubernetes"
        visible = master or (links and meta.namespace == namespace and meta.name not in chosen)
        if visible and has_cluster_ip(service.spec):
            chosen[meta.name] = service
    for service in chosen.values():
        variables |= _variables_of(service)
    return variables


def _variables_of(service: Service) -> dict[str, str]:
    name = service.metadata.name.upper().replace("-", "_")
    host, ports = service.spec.clusterIP, service.spec.ports
    if not ports:
        return {}
    variables = {f"{name}_SERVICE_HOST": host, f"{name}_SERVICE_PORT": str(ports[0].port)}
    for port in ports:
        if port.name:
            variables[f"{name}_SERVICE_PORT_{port.name.upper().replace('-', '_')}"] = str(port.port)
    first = ports[0]
    variables[f"{name}_PORT"] = f"{(first.protocol or 'TCP').lower()}://{join_host_port(host, first.port)}"
    for port in ports:
        protocol = (port.protocol or "TCP").upper()
        prefix = f"{name}_PORT_{port.port}_{protocol}"
        variables[prefix] = f"{protocol.lower()}://{join_host_port(host, port.port)}"
        variables |= {f"{prefix}_PROTO": protocol.lower(), f"{prefix}_PORT": str(port.port), f"{prefix}_ADDR": host}
    return variables


def container_environment(
    pod: Pod, container: Container, *, services: Mapping[str, str], data: ConfigData, allocatable: Mapping[str, str]
) -> dict[str, str]:
    """Services first, then `envFrom`, then `env`. Raises ConfigProblem with upstream's text."""
    variables = dict(services)
    for source in container.envFrom:
        if source.configMapRef:
            ref = source.configMapRef
            values = data.config_map(ref.name)
            _require(values, ref.optional, f'configmap "{ref.name}" not found')
        elif source.secretRef:
            values = data.secret(source.secretRef.name)
            _require(values, source.secretRef.optional, f'secret "{source.secretRef.name}" not found')
        else:
            continue
        for key, value in sorted((values or {}).items()):
            variables[source.prefix + key] = value.decode(errors="replace")
    for var in container.env:
        value_text = _value(pod, container, var, variables, data, allocatable)
        if value_text is not None:
            variables[var.name] = value_text
    return variables


def _require(value: object, optional: bool | None, why: str) -> None:
    if value is None and not optional:
        raise ConfigProblem(why)


def _value(
    pod: Pod,
    container: Container,
    var: EnvVar,
    known: Mapping[str, str],
    data: ConfigData,
    allocatable: Mapping[str, str],
) -> str | None:
    source = var.valueFrom
    if source is None:
        return expand(var.value, known)
    try:
        if source.fieldRef:
            return value_of(pod, source.fieldRef.fieldPath)
        if source.resourceFieldRef:
            return _resource(pod, container, source.resourceFieldRef, allocatable)
    except FieldProblem as error:
        raise ConfigProblem(str(error)) from error
    if source.configMapKeyRef:
        ref = source.configMapKeyRef
        return _key(data.config_map(ref.name), "configmap", "ConfigMap", pod, ref.name, (ref.key, ref.optional))
    if source.secretKeyRef:
        sref = source.secretKeyRef
        return _key(data.secret(sref.name), "secret", "Secret", pod, sref.name, (sref.key, sref.optional))
    raise ConfigProblem(f"env {var.name}: this valueFrom is not supported by Fairlead's nodes")


def _key(
    values: Mapping[str, bytes] | None, low: str, kind: str, pod: Pod, name: str, ref: tuple[str, bool | None]
) -> str | None:
    key, optional = ref
    if values is None:
        _require(values, optional, f'{low} "{name}" not found')
        return None
    value = values.get(key)
    _require(value, optional, f"couldn't find key {key} in {kind} {pod.metadata.namespace}/{name}")
    return None if value is None else value.decode(errors="replace")


def _resource(pod: Pod, container: Container, ref: ResourceFieldSelector, allocatable: Mapping[str, str]) -> str:
    name = ref.containerName or container.name
    about = next((c for c in (*pod.spec.containers, *pod.spec.initContainers) if c.name == name), None)
    if about is None:
        raise FieldProblem(f"container {name} not found")
    divisor = str(ref.divisor or "1")
    return resource_value(about, ref.resource, parse_quantity(divisor if divisor != "0" else "1"), allocatable)


def command_line(
    container: Container, command: Sequence[str], args: Sequence[str], env: Mapping[str, str]
) -> list[str]:
    """Returns the arguments of the process: `command` in the manifest replaces both parts of the image, `args` only its
    arguments."""
    image_part = [] if container.command else [*command, *([] if container.args else args)]
    return [*image_part, *(expand(part, env) for part in (*container.command, *container.args))]
