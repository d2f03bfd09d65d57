"""Upstream's defaults of pods, and of the pod specs in templates, which get fewer defaults."""

from __future__ import annotations

from fairlead.api.core.amounts import canonical_text, canonicalize
from fairlead.api.core.pod.containers.container import Container
from fairlead.api.core.pod.containers.probe import HTTPGetAction, Lifecycle, Probe
from fairlead.api.core.pod.containers.security import PodSecurityContext
from fairlead.api.core.pod.spec import PodSpec
from fairlead.api.core.pod.volumes.volume_defaults import default_volume, pull_policy

GRACE_SECONDS = 30
MESSAGE_PATH = "/dev/termination-log"


def default_pod_spec(spec: PodSpec) -> None:
    """Sets the defaults of every pod spec, including those of templates."""
    spec.restartPolicy = spec.restartPolicy or "Always"
    spec.dnsPolicy = spec.dnsPolicy or "ClusterFirst"
    spec.schedulerName = spec.schedulerName or "default-scheduler"
    spec.serviceAccountName = spec.serviceAccountName or spec.serviceAccount
    spec.serviceAccount = spec.serviceAccountName
    if spec.terminationGracePeriodSeconds is None:
        spec.terminationGracePeriodSeconds = GRACE_SECONDS
    if spec.securityContext is None:
        spec.securityContext = PodSecurityContext()
    canonicalize(spec.overhead)
    if spec.resources is not None:
        canonicalize(spec.resources.limits)
        canonicalize(spec.resources.requests)
    for volume in spec.volumes:
        default_volume(volume)
    for container in (*spec.initContainers, *spec.containers, *spec.ephemeralContainers):
        _default_container(container)


def default_own_spec(spec: PodSpec) -> None:
    """Sets the defaults that only pods get, after `default_pod_spec`."""
    if spec.enableServiceLinks is None:
        spec.enableServiceLinks = True
    for container in (*spec.initContainers, *spec.containers):
        resources = container.resources
        for name, limit in resources.limits.items():
            resources.requests.setdefault(name, limit)
        if spec.hostNetwork:
            for port in container.ports:
                port.hostPort = port.hostPort or port.containerPort
    if spec.resources is not None:
        for name, limit in spec.resources.limits.items():
            spec.resources.requests.setdefault(name, limit)


def _default_container(container: Container) -> None:
    container.imagePullPolicy = container.imagePullPolicy or pull_policy(container.image)
    container.terminationMessagePath = container.terminationMessagePath or MESSAGE_PATH
    container.terminationMessagePolicy = container.terminationMessagePolicy or "File"
    canonicalize(container.resources.limits)
    canonicalize(container.resources.requests)
    for port in container.ports:
        port.protocol = port.protocol or "TCP"
    for env in container.env:
        if (origin := env.valueFrom) is None:
            continue
        if origin.fieldRef is not None:
            origin.fieldRef.apiVersion = origin.fieldRef.apiVersion or "v1"
        if origin.resourceFieldRef is not None:
            origin.resourceFieldRef.divisor = canonical_text(origin.resourceFieldRef.divisor)
        if origin.fileKeyRef is not None and origin.fileKeyRef.optional is None:
            origin.fileKeyRef.optional = False
    for probe in (container.livenessProbe, container.readinessProbe, container.startupProbe):
        if probe is not None:
            _default_probe(probe)
    if container.lifecycle is not None:
        _default_lifecycle(container.lifecycle)


def _default_probe(probe: Probe) -> None:
    probe.timeoutSeconds = probe.timeoutSeconds or 1
    probe.periodSeconds = probe.periodSeconds or 10
    probe.successThreshold = probe.successThreshold or 1
    probe.failureThreshold = probe.failureThreshold or 3
    if probe.httpGet is not None:
        _default_http(probe.httpGet)
    if probe.grpc is not None and probe.grpc.service is None:
        probe.grpc.service = ""


def _default_lifecycle(lifecycle: Lifecycle) -> None:
    for handler in (lifecycle.postStart, lifecycle.preStop):
        if handler is not None and handler.httpGet is not None:
            _default_http(handler.httpGet)


def _default_http(get: HTTPGetAction) -> None:
    get.path = get.path or "/"
    get.scheme = get.scheme or "HTTP"
