"""The reason why a Pod's containers do not run: scheduling, images, crashes, configuration."""

from __future__ import annotations

from fairlead.api.core.pod.containers.containerstatus import ContainerStatus
from fairlead.api.core.pod.predicates import condition
from fairlead.api.core.pod.types import Pod
from fairlead.base.texts import text
from fairlead.explain.snapshot import Snapshot
from fairlead.explain.words import Message

_STARTING = ("", "ContainerCreating", "PodInitializing")
"""Reasons of a container that is about to start."""
_NEVER_RAN = ("StartError", "ContainerCannotRun")
"""Reasons of a container without logs, because its program could not be run."""


def trouble(s: Snapshot, pod: Pod) -> tuple[Message, tuple[Message, ...], str] | None:
    """Returns the cause, the evidence and the cure; None if the containers run, or are about to start."""
    name = pod.metadata.name
    if not pod.spec.nodeName:
        if found := _unbound(s, pod):
            return found
        scheduled = condition(pod, "PodScheduled")
        why = scheduled.message if scheduled and scheduled.message else text("no node has been chosen yet")
        return text("Pod {name} is not scheduled: {why}", name=name, why=why), (), s.kubectl(f"describe pod {name}")
    if found := _killed(s, pod):
        return found
    for status in (*pod.status.initContainerStatuses, *pod.status.containerStatuses):
        if found := _container(s, pod, status):
            return found
    if found := _initializing(s, pod):
        return found
    if found := _creating(s, pod):
        return found
    node = next((node for node in s.nodes if node.metadata.name == pod.spec.nodeName), None)
    ready = next((c for c in node.status.conditions if c.type == "Ready"), None) if node else None
    if node is None or (ready is not None and ready.status != "True"):
        cause = (
            text("Pod {name} is on node {node}, which is not ready", name=name, node=pod.spec.nodeName)
            if node
            else text("Pod {name} is on node {node}, which does not exist", name=name, node=pod.spec.nodeName)
        )
        return cause, (), f"kubectl describe node {pod.spec.nodeName}"
    return None


def _unbound(s: Snapshot, pod: Pod) -> tuple[Message, tuple[Message, ...], str] | None:
    """Returns the trouble of a claim that keeps the Pod from a node, by the last warning about the claim."""
    scheduled = condition(pod, "PodScheduled")
    if scheduled is None or "PersistentVolumeClaim" not in scheduled.message:
        return None
    for volume in pod.spec.volumes:
        claim = volume.persistentVolumeClaim.claimName if volume.persistentVolumeClaim else ""
        warnings = (one for one in s.events_of("PersistentVolumeClaim", claim) if one.type == "Warning")
        if claim and (warning := next(warnings, None)):
            cause = text(
                "Pod {name} is not scheduled: its claim {claim} is not bound: {why}",
                name=pod.metadata.name,
                claim=claim,
                why=warning.message,
            )
            return cause, (scheduled.message,), s.kubectl(f"describe pvc {claim}")
    return None


def _killed(s: Snapshot, pod: Pod) -> tuple[Message, tuple[Message, ...], str] | None:
    """Returns the trouble of containers that the kubelet ends: a probe or a postStart hook fails."""
    name = pod.metadata.name
    if not any(status.restartCount for status in (*pod.status.containerStatuses, *pod.status.initContainerStatuses)):
        return None
    for event in s.events_of("Pod", name):
        if event.reason == "FailedPostStartHook":
            cause = text("a postStart hook of Pod {name} fails, so its container is started again and again", name=name)
            return cause, (event.message,), s.kubectl(f"describe pod {name}")
        probe = event.message.partition(" probe failed")[0]
        if event.reason == "Unhealthy" and probe in ("Liveness", "Startup"):
            cause = text(
                "the {probe} probe of Pod {name} fails, so its container is started again and again",
                probe=probe.lower(),
                name=name,
            )
            answer = text("last answer: {message}", message=event.message)
            return cause, (answer,), s.kubectl(f"describe pod {name}")
    return None


def _initializing(s: Snapshot, pod: Pod) -> tuple[Message, tuple[Message, ...], str] | None:
    """Returns the trouble of an init container that still runs; sidecars do so by design."""
    sidecars = {one.name for one in pod.spec.initContainers if one.restartPolicy == "Always"}
    for status in pod.status.initContainerStatuses:
        if status.state.running and status.name not in sidecars:
            name = pod.metadata.name
            cause = text(
                "init container {container} of Pod {name} has not ended, and the containers wait for it",
                container=status.name,
                name=name,
            )
            return cause, (), s.kubectl(f"logs {name} -c {status.name}")
    return None


def _creating(s: Snapshot, pod: Pod) -> tuple[Message, tuple[Message, ...], str] | None:
    """Returns the trouble of a Pod whose containers are not made yet, if its last event is a warning."""
    name = pod.metadata.name
    last = next(iter(s.events_of("Pod", name)), None)
    waiting = [status for status in pod.status.containerStatuses if status.state.waiting]
    if last is None or last.type != "Warning" or not waiting or pod.status.phase != "Pending":
        return None
    cause = text("Pod {name} cannot start: {reason}: {message}", name=name, reason=last.reason, message=last.message)
    return cause, (), s.kubectl(f"describe pod {name}")


def _container(s: Snapshot, pod: Pod, status: ContainerStatus) -> tuple[Message, tuple[Message, ...], str] | None:
    waiting, where = (
        status.state.waiting,
        text("container {name} of Pod {pod}", name=status.name, pod=pod.metadata.name),
    )
    last = status.lastState.terminated or status.state.terminated
    logs = s.kubectl(f"logs {pod.metadata.name} -c {status.name}")
    if (waiting and waiting.reason == "CrashLoopBackOff") or (
        last and status.restartCount > 0 and status.state.running is None
    ):
        reason = text(" ({reason}, exit code {code})", reason=last.reason, code=last.exitCode) if last else ""
        evidence = (text("last message: {message}", message=last.message),) if last and last.message else ()
        return (
            text("{where} crashes again and again: CrashLoopBackOff{reason}", where=where, reason=reason),
            evidence,
            s.kubectl(f"describe pod {pod.metadata.name}")
            if last and last.reason in _NEVER_RAN
            else f"{logs} --previous",
        )
    if waiting and waiting.reason not in _STARTING:
        is_image = "Image" in waiting.reason
        what = text('cannot get its image "{image}"', image=status.image) if is_image else text("cannot start")
        cure = f"set image {_owner(pod)} {status.name}=IMAGE" if is_image else f"describe pod {pod.metadata.name}"
        stated = f"{waiting.reason}: {waiting.message}".rstrip(": ")
        return text("{where} {what}: {stated}", where=where, what=what, stated=stated), (), s.kubectl(cure)
    if status.state.terminated and status.state.terminated.exitCode:
        ended = status.state.terminated
        return (
            text(
                "{where} has ended ({reason}, exit code {code})",
                where=where,
                reason=ended.reason,
                code=ended.exitCode,
            ),
            (),
            logs,
        )
    return None


def _owner(pod: Pod) -> str:
    """Returns the object whose template has the Pod's image, as kubectl names it."""
    for owner in pod.metadata.ownerReferences:
        if owner.kind == "ReplicaSet":
            return f"deployment/{owner.name.rpartition('-')[0]}"
        return f"{owner.kind.lower()}/{owner.name}"
    return f"pod/{pod.metadata.name}"
