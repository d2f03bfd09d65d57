"""Readiness: are the Pods ready, and if not, which probe or gate says so?"""

from __future__ import annotations

from fairlead.api.core.pod.containers.probe import Probe
from fairlead.api.core.pod.predicates import condition, is_ready
from fairlead.api.core.pod.types import Pod
from fairlead.explain.finding import Finding, fault, note, ok
from fairlead.explain.snapshot import Snapshot, count


def find(s: Snapshot) -> Finding | None:
    pods = [pod for pod in s.selected if not pod.metadata.deletionTimestamp]
    if not pods:
        return None
    looked_at = f"readiness of {count(len(pods), 'Pod')}"
    waiting = [pod for pod in pods if not is_ready(pod)]
    if not waiting:
        return ok(looked_at + _remark(pods))
    pod = waiting[0]
    cause = f"Pod {pod.metadata.name} is not ready: {_reason(pod)}"
    answer = next((e for e in s.events_of("Pod", pod.metadata.name) if e.reason == "Unhealthy"), None)
    evidence = (f"last answer: {answer.message}",) if answer else ()
    cure = s.kubectl(f"describe pod {pod.metadata.name}")
    if s.service is not None and s.found.spec.publishNotReadyAddresses:
        return note(looked_at, f"{cause}; publishNotReadyAddresses sends connections to it all the same", *evidence)
    if s.serving:
        return note(looked_at, f"{len(waiting)} of {count(len(pods), 'Pod')} not ready: {cause}", *evidence, cure=cure)
    return fault(looked_at, f"no Pod is ready: {cause}", *evidence, cure=cure)


def _remark(pods: list[Pod]) -> str:
    if any(container.readinessProbe for pod in pods for container in pod.spec.containers):
        return ": all ready"
    return ": all ready (no readiness probe, so a Pod is ready as soon as its containers run)"


def _reason(pod: Pod) -> str:
    gates = [gate.conditionType for gate in pod.spec.readinessGates]
    for gate in gates:
        held = condition(pod, gate)
        if held is None or held.status != "True":
            return f"readiness gate {gate} is not True"
    unready = {status.name for status in pod.status.containerStatuses if not status.ready}
    for container in pod.spec.containers:
        if container.readinessProbe and (container.name in unready or not unready):
            return f"the readiness probe of container {container.name} ({_describe(container.readinessProbe)}) fails"
    for container in pod.spec.containers:
        if container.startupProbe and container.name in unready:
            return (
                f"the startup probe of container {container.name} ({_describe(container.startupProbe)}) has not passed"
            )
    stated = condition(pod, "Ready")
    return (stated.message if stated else "") or "its containers are starting"


def _describe(probe: Probe) -> str:
    if probe.httpGet:
        return f"GET {probe.httpGet.path or '/'} on port {probe.httpGet.port}"
    if probe.tcpSocket:
        return f"TCP port {probe.tcpSocket.port}"
    if probe.exec:
        return f"command {' '.join(probe.exec.command)}"
    return f"gRPC port {probe.grpc.port}" if probe.grpc else "no action"
