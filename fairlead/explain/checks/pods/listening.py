"""The process: does it listen on the target port, on an address that others reach?"""

from __future__ import annotations

from fairlead.api.core.pod.types import Pod
from fairlead.api.core.service.predicates import is_headless
from fairlead.api.core.service.spec import ServicePort
from fairlead.base.texts import Text, text
from fairlead.explain.finding import Finding, fault, ok, unknown
from fairlead.explain.snapshot import Snapshot, render_labels
from fairlead.explain.sockets import Listener, describe
from fairlead.explain.words import then
from fairlead.service.decisions import DEFAULT_PROTOCOL
from fairlead.service.ports import target_port


def find(s: Snapshot) -> Finding | None:
    if not s.ready_pods:
        return None
    looked_at = text("listening sockets in the Pods' network namespaces")
    unread = False
    for port in s.ports:
        for pod in s.ready_pods:
            number = target_port(port, pod)
            sockets = s.sockets.get(pod.metadata.name)
            if not number:
                continue
            if sockets is None:
                unread = True
                if finding := _undeclared(s, port, pod, number):
                    return finding
            elif finding := _compare(s, port, pod, number, sockets):
                return finding
    if unread:
        return ok(text("target ports agree with the containers' declared ports (their sockets cannot be read)"))
    return ok(text("{looked_at}: every target port has a listener", looked_at=looked_at))


def _compare(s: Snapshot, port: ServicePort, pod: Pod, number: int, sockets: frozenset[Listener]) -> Finding | None:
    protocol = port.protocol or DEFAULT_PROTOCOL
    here = [one for one in sockets if one.port == number]
    fitting = [one for one in here if one.protocol == protocol]
    name = pod.metadata.name
    if reachable := [one for one in fitting if not one.loopback]:
        return _other_family(s, pod, number, reachable)
    looked_at = text("listening sockets of Pod {name}", name=name)
    evidence = text("the Pod listens on {described}", described=describe(sockets))
    if fitting:
        return fault(
            looked_at,
            text(
                "the process in Pod {name} listens on port {number} on {address} only: it must listen on "
                "0.0.0.0 (or the Pod's address) to be reached from outside the Pod",
                name=name,
                number=number,
                address=fitting[0].address,
            ),
            evidence,
            cure=then(s.kubectl(f"logs {name}"), text("then change the program's listen address")),
        )
    if here:
        return fault(
            looked_at,
            text(
                "protocol mismatch: the Service's port {port} is {protocol}, and the process in Pod "
                "{name} listens on {protocol2} {number}",
                port=port.port,
                protocol=protocol,
                name=name,
                protocol2=here[0].protocol,
                number=number,
            ),
            evidence,
            cure=_patch(s, port, "protocol", f'"{here[0].protocol}"'),
        )
    return _nothing_listens(s, port, pod, number, sockets)


def _other_family(s: Snapshot, pod: Pod, number: int, listeners: list[Listener]) -> Finding | None:
    """Returns the fault of a process that listens by one family, if the Service has addresses of the other. A socket
    on `::` serves both, unless the program says otherwise, which the kernel's tables do not show."""
    addresses = {one.address for one in listeners}
    served = {"IPv6" if ":" in one else "IPv4" for one in addresses} | ({"IPv4"} if "::" in addresses else set())
    missing = next((family for family in s.found.spec.ipFamilies if family not in served), "")
    if not missing:
        return None
    name, other = pod.metadata.name, next(iter(served))
    return fault(
        text("listening sockets of Pod {name}", name=name),
        text(
            "the Service has an {missing} address, and the process in Pod {name} listens on port {number} by {other} "
            "only",
            missing=missing,
            name=name,
            number=number,
            other=other,
        ),
        text("it listens on {addresses}", addresses=", ".join(sorted(addresses))),
        cure=then(
            s.kubectl(f"logs {name}"),
            text(
                "then make the program listen on {address}, or give the Service the family {other} only",
                address="::" if missing == "IPv6" else "0.0.0.0",
                other=other,
            ),
        ),
    )


def _nothing_listens(s: Snapshot, port: ServicePort, pod: Pod, number: int, sockets: frozenset[Listener]) -> Finding:
    """Returns the fault of a port without any socket: with the port that is meant, or the Pods that are not."""
    name, protocol = pod.metadata.name, port.protocol or DEFAULT_PROTOCOL
    looked_at = text("listening sockets of Pod {name}", name=name)
    described = describe(sockets)
    if pod.spec.hostNetwork:  # the sockets are those of all programs of the node
        return fault(
            looked_at,
            text(
                "nothing listens on target port {number} ({protocol}) in Pod {name}",
                number=number,
                protocol=protocol,
                name=name,
            ),
            text("the Pod has hostNetwork, and the node listens on {described}", described=described),
            cure=s.kubectl(f"logs {name}"),
        )
    evidence = text("the Pod listens on {described}", described=described)
    if others := [one.metadata.name for one in s.ready_pods if one is not pod and _serves(s, port, one)]:
        labels = render_labels(s.found.spec.selector)
        cause = text(
            "nothing listens on target port {number} ({protocol}) in Pod {name}, but in {others}: does the "
            "selector {labels} match too many Pods?",
            number=number,
            protocol=protocol,
            name=name,
            others=", ".join(others[:3]),
            labels=labels,
        )
        return fault(looked_at, cause, evidence, cure=s.kubectl(f"get pods -l {labels} --show-labels"))
    taken = {target_port(one, pod) for one in s.found.spec.ports if one is not port}
    open_ports = {one.port for one in sockets if one.protocol == protocol and not one.loopback}
    return _meant(s, port, pod, number, sorted(open_ports - taken), evidence)


def _meant(s: Snapshot, port: ServicePort, pod: Pod, number: int, other: list[int], evidence: Text) -> Finding:
    """Returns the fault with the first of the ports that may be meant."""
    name, protocol = pod.metadata.name, port.protocol or DEFAULT_PROTOCOL
    looked_at = text("listening sockets of Pod {name}", name=name)
    if not other:
        cause = text(
            "nothing listens on target port {number} ({protocol}) in Pod {name}",
            number=number,
            protocol=protocol,
            name=name,
        )
        support = [text("without the kernel's module sctp no program can listen")] if protocol == "SCTP" else []
        return fault(looked_at, cause, evidence, *support, cure=s.kubectl(f"logs {name}"))
    cause = text(
        "nothing listens on target port {number} ({protocol}) in Pod {name}: the process listens on {first}",
        number=number,
        protocol=protocol,
        name=name,
        first=other[0],
    )
    return fault(looked_at, cause, evidence, cure=_patch(s, port, "targetPort", str(other[0])))


def _serves(s: Snapshot, port: ServicePort, pod: Pod) -> bool:
    """Returns whether a process listens on the port's target in a Pod."""
    number, protocol = target_port(port, pod), port.protocol or DEFAULT_PROTOCOL
    sockets = s.sockets.get(pod.metadata.name, frozenset())
    return any((one.port, one.protocol) == (number, protocol) and not one.loopback for one in sockets)


def _undeclared(s: Snapshot, port: ServicePort, pod: Pod, number: int) -> Finding | None:
    """Returns what declared ports suggest if the sockets cannot be read: declarations do not open or close ports."""
    protocol = port.protocol or DEFAULT_PROTOCOL
    declared = [one for container in pod.spec.containers for one in container.ports]
    if not declared or any(
        (one.containerPort, one.protocol or DEFAULT_PROTOCOL) == (number, protocol) for one in declared
    ):
        return None
    texts = ", ".join(f"{one.containerPort}/{one.protocol or DEFAULT_PROTOCOL}" for one in declared)
    same = next((one for one in declared if one.containerPort == number), None)
    field, value = (
        ("protocol", f'"{same.protocol or DEFAULT_PROTOCOL}"')
        if same
        else (
            "targetPort",
            str(declared[0].containerPort),
        )
    )
    return unknown(
        text("containers' declared ports"),
        text(
            "target port {number}/{protocol} is not among the declared ports of Pod {pod} ({texts}), "
            "and the listening sockets cannot be read",
            number=number,
            protocol=protocol,
            pod=pod.metadata.name,
            texts=texts,
        ),
        cure=_patch(s, port, field, value),
    )


def _patch(s: Snapshot, port: ServicePort, field: str, value: str) -> str:
    if is_headless(s.found.spec) and field == "targetPort":
        return s.kubectl(f"edit svc {s.name}")
    index = s.found.spec.ports.index(port)
    patch = f'[{{"op":"replace","path":"/spec/ports/{index}/{field}","value":{value}}}]'
    return s.kubectl(f"patch svc {s.name} --type json -p '{patch}'")
