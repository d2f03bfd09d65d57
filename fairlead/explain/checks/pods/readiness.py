"""Readiness: are the Pods ready, and if not, which probe or gate says so?"""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.api.core.pod.containers.probe import Probe
from fairlead.api.core.pod.predicates import condition, is_finished, is_ready
from fairlead.api.core.pod.types import Pod
from fairlead.base.texts import Text, text
from fairlead.explain.finding import Finding, fault, note, ok
from fairlead.explain.snapshot import Snapshot
from fairlead.explain.sockets import describe
from fairlead.explain.words import Message, joined, pods_of


def find(s: Snapshot) -> Finding | None:
    pods = [pod for pod in s.selected if not pod.metadata.deletionTimestamp and not is_finished(pod)]
    ended = next((pod for pod in s.selected if is_finished(pod)), None)
    if not pods and ended is not None:
        name, phase = ended.metadata.name, ended.status.phase
        return ok(text("Pod {name} has finished ({phase}): its containers run no more", name=name, phase=phase))
    if not pods:
        return None
    looked_at = text("readiness of {pods}", pods=pods_of(len(pods)))
    waiting = [pod for pod in pods if not is_ready(pod)]
    if not waiting:
        return ok(joined(looked_at, _remark(pods)))
    pod = waiting[0]
    cause = text("Pod {pod} is not ready: {reason}", pod=pod.metadata.name, reason=_reason(pod))
    answer = next((e for e in s.events_of("Pod", pod.metadata.name) if e.reason == "Unhealthy"), None)
    evidence = [text("last answer: {message}", message=answer.message)] if answer else []
    evidence += _listens(s, pod)
    cure = s.kubectl(f"describe pod {pod.metadata.name}")
    if s.service is not None and s.found.spec.publishNotReadyAddresses:
        return note(
            looked_at,
            text("{cause}; publishNotReadyAddresses sends connections to it all the same", cause=cause),
            *evidence,
        )
    if s.serving:
        return note(
            looked_at,
            text("{number} of {pods} not ready: {cause}", number=len(waiting), pods=pods_of(len(pods)), cause=cause),
            *evidence,
            cure=cure,
        )
    return fault(looked_at, text("no Pod is ready: {cause}", cause=cause), *evidence, cure=cure)


def _listens(s: Snapshot, pod: Pod) -> Iterator[Text]:
    """Yields what the Pod listens on, if that is not the port of a probe."""
    sockets = s.sockets.get(pod.metadata.name)
    for container in pod.spec.containers if sockets else ():
        probe = container.readinessProbe
        port = (
            probe.httpGet.port if probe and probe.httpGet else probe.tcpSocket.port if probe and probe.tcpSocket else ""
        )
        number = next((one.containerPort for one in container.ports if one.name == port), port)
        if sockets and isinstance(number, int) and number not in {one.port for one in sockets}:
            yield text("nothing listens on port {port} of Pod {pod}", port=number, pod=pod.metadata.name)
            yield text("the Pod listens on {described}", described=describe(sockets))


def _remark(pods: list[Pod]) -> Message:
    if any(container.readinessProbe for pod in pods for container in pod.spec.containers):
        return text(": all ready")
    return text(": all ready (no readiness probe, so a Pod is ready as soon as its containers run)")


def _reason(pod: Pod) -> Message:
    gates = [gate.conditionType for gate in pod.spec.readinessGates]
    for gate in gates:
        held = condition(pod, gate)
        if held is None or held.status != "True":
            return text("readiness gate {gate} is not True", gate=gate)
    unready = {status.name for status in pod.status.containerStatuses if not status.ready}
    for container in pod.spec.containers:
        if container.readinessProbe and (container.name in unready or not unready):
            return text(
                "the readiness probe of container {container} ({described}) fails",
                container=container.name,
                described=_describe(container.readinessProbe),
            )
    for container in pod.spec.containers:
        if container.startupProbe and container.name in unready:
            return text(
                "the startup probe of container {container} ({described}) has not passed",
                container=container.name,
                described=_describe(container.startupProbe),
            )
    stated = condition(pod, "Ready")
    return (stated.message if stated else "") or text("its containers are starting")


def _describe(probe: Probe) -> Message:
    if probe.httpGet:
        return text("GET {value} on port {port}", value=probe.httpGet.path or "/", port=probe.httpGet.port)
    if probe.tcpSocket:
        return text("TCP port {port}", port=probe.tcpSocket.port)
    if probe.exec:
        return text("command {names}", names=" ".join(probe.exec.command))
    return text("gRPC port {port}", port=probe.grpc.port) if probe.grpc else text("no action")
