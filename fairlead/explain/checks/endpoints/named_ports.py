"""Target ports by name: do the Pods' containers have a port of this name and protocol?"""

from __future__ import annotations

from fairlead.api.core.pod.containers.container import ContainerPort
from fairlead.api.core.pod.types import Pod
from fairlead.api.core.service.predicates import is_external_name
from fairlead.api.core.service.spec import ServicePort
from fairlead.base.texts import text
from fairlead.explain.finding import Finding, fault, note, ok
from fairlead.explain.snapshot import Snapshot
from fairlead.explain.words import Message, listed
from fairlead.service.decisions import DEFAULT_PROTOCOL
from fairlead.service.ports import target_port


def find(s: Snapshot) -> Finding | None:
    named = [port for port in s.ports if isinstance(port.targetPort, str) and port.targetPort]
    pods = s.ready_pods or s.selected
    if not named or not pods or is_external_name(s.found.spec):
        return None
    looked_at = text("names of the containers' ports")
    for port in named:
        lacking = [pod for pod in pods if target_port(port, pod) == 0]
        if lacking:
            return _lacking(s, port, lacking, looked_at=looked_at, all_lack=len(lacking) == len(pods))
    for port in named:
        numbers = {target_port(port, pod): pod.metadata.name for pod in pods}
        if len(numbers) > 1:
            texts = listed(
                [text("{number} in Pod {name}", number=number, name=name) for number, name in sorted(numbers.items())]
            )
            return note(
                looked_at,
                text('target port "{port}" has different numbers: {texts}', port=port.targetPort, texts=texts),
            )
    return ok(looked_at)


def _lacking(s: Snapshot, port: ServicePort, pods: list[Pod], *, looked_at: Message, all_lack: bool) -> Finding:
    pod, name, protocol = pods[0], port.targetPort, port.protocol or DEFAULT_PROTOCOL
    has = [one for container in pod.spec.containers for one in container.ports]
    shown = ", ".join(map(_describe, has))
    evidence = (
        text("Pod {pod} has the ports {names}", pod=pod.metadata.name, names=shown)
        if shown
        else text("Pod {pod} declares no ports", pod=pod.metadata.name)
    )
    other = next((one for one in has if one.name == name), None)
    index = s.found.spec.ports.index(port)
    if other is not None:
        cause = text(
            'protocol mismatch: the Service\'s port {port} is {protocol}, and container port "{name}" is {protocol2}',
            port=port.port,
            protocol=protocol,
            name=name,
            protocol2=other.protocol or DEFAULT_PROTOCOL,
        )
        field, value = "protocol", f'"{other.protocol or DEFAULT_PROTOCOL}"'
    else:
        whom = (
            text("no Pod has")
            if all_lack
            else text("Pod {names} lacks", names=", ".join(one.metadata.name for one in pods))
        )
        cause = text('targetPort "{name}" is missing: {whom} a container port of this name', name=name, whom=whom)
        field, value = "targetPort", _meant(s, port, pods)
        if not value:
            field = ""
    patch = f'[{{"op":"replace","path":"/spec/ports/{index}/{field}","value":{value}}}]'
    cure = s.kubectl(f"patch svc {s.name} --type json -p '{patch}'") if field else s.kubectl(f"edit svc {s.name}")
    return (fault if all_lack else note)(looked_at, cause, evidence, cure=cure)


def _meant(s: Snapshot, port: ServicePort, lacking: list[Pod]) -> str:
    """Returns the target port, as JSON, that may be meant: the number that the name has in the other Pods, else the
    first port of the first Pod with the protocol; empty if every port has another protocol."""
    numbers = {target_port(port, one) for one in s.selected if one not in lacking} - {0}
    if len(numbers) == 1:
        return str(numbers.pop())
    protocol = port.protocol or DEFAULT_PROTOCOL
    has = [one for container in lacking[0].spec.containers for one in container.ports]
    near = next((one for one in has if (one.protocol or DEFAULT_PROTOCOL) == protocol), None)
    return (f'"{near.name}"' if near.name else str(near.containerPort)) if near else ""


def _describe(port: ContainerPort) -> str:
    return f"{port.containerPort}/{port.protocol or DEFAULT_PROTOCOL}" + (f" ({port.name})" if port.name else "")
