"""Checks of pods and of the pod specs in templates, and of changes by an update."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from fairlead.api.core.pod.container_rules import container_list_errors, seccomp_errors
from fairlead.api.core.pod.containers.container import Container
from fairlead.api.core.pod.containers.resource_rules import amount_errors, resource_errors
from fairlead.api.core.pod.gated_rules import directive_changes, with_directives
from fairlead.api.core.pod.placement.affinity import Toleration
from fairlead.api.core.pod.placement.affinity_rules import affinity_errors, spread_errors, toleration_errors
from fairlead.api.core.pod.spec import PodSpec, PodTemplateSpec
from fairlead.api.core.pod.types import Pod
from fairlead.api.core.pod.volumes.volume_rules import volume_errors
from fairlead.api.meta.rules import ip_address
from fairlead.base.numbers import integer
from fairlead.machinery.kinds.metadata import check_annotations, check_labels
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, duplicate, forbidden, invalid, required

MIRROR = "kubernetes.io/config.mirror"
"""Annotation of a mirror pod, which represents a static pod of its node."""
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
"""Annotation with the deletion cost of a pod: a ReplicaSet deletes pods with lower costs first."""
_MAX_NAMESERVERS = 3
_MAX_HOSTNAME = 64
_FROZEN = (
    "pod updates may not change fields other than `spec.containers[*].image`, `spec.initContainers[*].image`, "
    "`spec.activeDeadlineSeconds`, `spec.tolerations` (only additions to existing tolerations), "
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def pod_errors(pod: Pod) -> Iterator[FieldError]:
    cost = pod.metadata.annotations.get(DELETION_COST)
    if cost is not None and deletion_cost(cost) is None:
        yield invalid(f"metadata.annotations[{DELETION_COST}]", cost, "must be a 32bit integer")
    yield from pod_spec_errors(pod.spec, "spec")


def deletion_cost(text: str) -> int | None:
    """Returns the number in the annotation; None unless the text is a 32-bit integer in canonical form."""
    if text[:1] == "+" or (text[:1] == "0" and text != "0"):
        return None
    try:
        return integer(text, bound=1 << 31)
    except ValueError:
        return None


def pod_create_errors(pod: Pod) -> Iterator[FieldError]:
    if pod.spec.ephemeralContainers:
        yield forbidden("spec.ephemeralContainers", "cannot be set on create")
    if pod.spec.nodeName and pod.spec.schedulingGates:
        yield forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared")


def template_errors(template: PodTemplateSpec, path: str) -> Iterator[FieldError]:
    yield from check_labels(template.metadata.labels, f"{path}.metadata.labels")
    yield from check_annotations(template.metadata.annotations, f"{path}.metadata.annotations")
    yield from pod_spec_errors(template.spec, f"{path}.spec")
    if template.spec.ephemeralContainers:
        yield forbidden(f"{path}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template")


def pod_spec_errors(spec: PodSpec, path: str) -> Iterator[FieldError]:
    yield from volume_errors(spec.volumes, f"{path}.volumes")
    yield from container_list_errors(spec, path)
    yield from check_labels(spec.nodeSelector, f"{path}.nodeSelector")
    for i, secret in enumerate(spec.imagePullSecrets):
        if not secret.name:
            yield required(f"{path}.imagePullSecrets[{i}].name")
    if spec.affinity is not None:
        yield from affinity_errors(spec.affinity, f"{path}.affinity")
    yield from toleration_errors(spec.tolerations, f"{path}.tolerations")
    yield from spread_errors(spec.topologySpreadConstraints, f"{path}.topologySpreadConstraints")
    yield from _dns_errors(spec, path)
    for i, alias in enumerate(spec.hostAliases):
        yield from ip_address(alias.ip, f"{path}.hostAliases[{i}].ip")
        for name in alias.hostnames:
            for text in names.dns1123_subdomain(name):
                yield invalid(f"{path}.hostAliases[{i}].hostnames", name, text)
    for i, gate in enumerate(spec.schedulingGates):
        for text in names.qualified_name(gate.name):
            yield invalid(f"{path}.schedulingGates[{i}]", gate.name, text)
    for name, amount in spec.overhead.items():
        yield from amount_errors(amount, f"{path}.overhead[{name}]")
    if spec.resources is not None:
        yield from resource_errors(spec.resources, f"{path}.resources")
    yield from _hostname_errors(spec, f"{path}.hostnameOverride")
    yield from _security_errors(spec, f"{path}.securityContext")
    yield from _namespace_errors(spec, path)


def _namespace_errors(spec: PodSpec, path: str) -> Iterator[FieldError]:
    if spec.shareProcessNamespace and spec.hostPID:
        yield invalid(f"{path}.shareProcessNamespace", True, "ShareProcessNamespace and HostPID cannot both be enabled")
    if spec.hostUsers is not False:
        return
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if getattr(spec, name):
            yield forbidden(f"{path}.{name}", "when `hostUsers` is false")
    for group in ("initContainers", "containers"):
        for i, container in enumerate(getattr(spec, group)):
            if container.volumeDevices:
                yield forbidden(f"{path}.{group}[{i}].volumeDevices", "when `hostUsers` is false")


def _hostname_errors(spec: PodSpec, path: str) -> Iterator[FieldError]:
    name = spec.hostnameOverride
    if name is None:
        return
    if spec.setHostnameAsFQDN:
        yield forbidden(path, "may not be specified when setHostnameAsFQDN is true")
    if spec.hostNetwork:
        yield forbidden(path, "may not be specified when hostNetwork is true")
    if len(name) > _MAX_HOSTNAME:
        yield FieldError(path, "TooLong", None, f"may not be more than {_MAX_HOSTNAME} bytes")
    for text in names.dns1123_subdomain(name):
        yield invalid(path, name, text)


_IPC_SYSCTLS = frozenset(
    {
        *("kernel.sem", "kernel.shm", "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced"),
        *("kernel.msg", "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni"),
    }
)
"""Parameters of the IPC namespace (ipc_namespaces(7)), besides those below fs.mqueue."""


def _security_errors(spec: PodSpec, path: str) -> Iterator[FieldError]:
    yield from _sysctl_errors(spec, f"{path}.sysctls")
    if spec.securityContext is not None:
        yield from seccomp_errors(spec.securityContext.seccompProfile, f"{path}.seccompProfile")


def _sysctl_errors(spec: PodSpec, path: str) -> Iterator[FieldError]:
    seen: set[str] = set()
    for i, setting in enumerate(spec.securityContext.sysctls if spec.securityContext else ()):
        name, where = setting.name, f"{path}[{i}].name"
        if texts := names.sysctl(name) if name else []:
            yield invalid(where, name, texts[0])
        elif name and name in seen:
            yield duplicate(where, name)
        seen.add(name)
        dotted = name.replace("/", ".")
        if spec.hostNetwork and dotted.startswith("net."):
            yield invalid(where, name, "may not be specified when 'hostNetwork' is true")
        if spec.hostIPC and (dotted in _IPC_SYSCTLS or dotted.startswith("fs.mqueue.")):
            yield invalid(where, name, "may not be specified when 'hostIPC' is true")


def _dns_errors(spec: PodSpec, path: str) -> Iterator[FieldError]:
    config = spec.dnsConfig
    if spec.dnsPolicy == "None":
        if config is None:
            yield required(f"{path}.dnsConfig", "must provide `dnsConfig` when `dnsPolicy` is None")
        elif not config.nameservers:
            text = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            yield required(f"{path}.dnsConfig.nameservers", text)
    if config is None:
        return
    if len(config.nameservers) > _MAX_NAMESERVERS:
        text = f"must not have more than {_MAX_NAMESERVERS} nameservers"
        yield invalid(f"{path}.dnsConfig.nameservers", config.nameservers, text)
    for i, server in enumerate(config.nameservers):
        yield from ip_address(server, f"{path}.dnsConfig.nameservers[{i}]")
    for i, option in enumerate(config.options):
        if not option.name:
            yield required(f"{path}.dnsConfig.options[{i}]", "must not be empty")


def pod_transition(old: Pod, new: Pod) -> Iterator[FieldError]:
    before, after = old.spec, new.spec
    if len(before.containers) != len(after.containers):
        yield forbidden("spec.containers", "pod updates may not add or remove containers")
        return
    if len(before.initContainers) != len(after.initContainers):
        yield forbidden("spec.initContainers", "pod updates may not add or remove containers")
        return
    yield from _deadline_errors(before.activeDeadlineSeconds, after.activeDeadlineSeconds)
    gates = {gate.name for gate in before.schedulingGates}
    for gate in after.schedulingGates:
        if gate.name not in gates:
            text = f"only deletion is allowed, but found new scheduling gate '{gate.name}'"
            yield forbidden("spec.schedulingGates", text)
    if before.schedulingGates:
        yield from directive_changes(before, after)
    yield from _toleration_changes(before.tolerations, after.tolerations)
    yield from _new_addresses(old, new)
    if _without_mutable(before, after) != after:
        yield forbidden("spec", _FROZEN)


def _new_addresses(old: Pod, new: Pod) -> Iterator[FieldError]:
    """Yields errors of the status's addresses; addresses of the old status are not checked again."""
    known, ips = _addresses(old), _addresses(new)
    for i, ip in enumerate(ips):
        if ip not in known:
            yield from ip_address(ip, f"status.podIPs[{i}]")
    if ips != known and len({":" in ip for ip in ips}) < len(ips):
        yield invalid("status.podIPs", ips, "may specify no more than one IP for each IP family")


def _addresses(pod: Pod) -> list[str]:
    return [entry.ip for entry in pod.status.podIPs] or [ip for ip in (pod.status.podIP,) if ip]


def ephemeral_container_changes(old: Pod, new: Pod) -> Iterator[FieldError]:
    """Checks a write of `ephemeralcontainers`: containers can be added, but not changed or removed."""
    if MIRROR in old.metadata.annotations:
        yield forbidden("", "static pods do not support ephemeral containers")
        return
    after = {container.name: container for container in new.spec.ephemeralContainers}
    for container in old.spec.ephemeralContainers:
        if container.name not in after:
            text = f'existing ephemeral containers "{container.name}" may not be removed'
            yield forbidden("spec.ephemeralContainers", text)
        elif container != after[container.name]:
            text = f'existing ephemeral containers "{container.name}" may not be changed'
            yield forbidden("spec.ephemeralContainers", text)


def _deadline_errors(before: int | None, after: int | None) -> Iterator[FieldError]:
    path = "spec.activeDeadlineSeconds"
    if before is None:
        return
    if after is None:
        yield invalid(path, None, "must not update from a positive integer to nil value")
    elif after > before:
        yield invalid(path, after, "must be less than or equal to previous value")


def _toleration_changes(before: list[Toleration], after: list[Toleration]) -> Iterator[FieldError]:
    kept = [msgspec.structs.replace(t, tolerationSeconds=None) for t in after]
    if any(msgspec.structs.replace(t, tolerationSeconds=None) not in kept for t in before):
        text = "existing toleration can not be modified except its tolerationSeconds"
        yield forbidden("spec.tolerations", text)


def _without_mutable(before: PodSpec, after: PodSpec) -> PodSpec:
    """Returns the old spec with the new spec's values of all fields that an update may change."""
    grace_s = before.terminationGracePeriodSeconds
    may_change_grace = grace_s is not None and grace_s < 0 and after.terminationGracePeriodSeconds == 1
    return msgspec.structs.replace(
        with_directives(before, after) if before.schedulingGates else before,
        containers=_with_images(before.containers, after.containers),
        initContainers=_with_images(before.initContainers, after.initContainers),
        activeDeadlineSeconds=after.activeDeadlineSeconds,
        tolerations=after.tolerations,
        schedulingGates=after.schedulingGates,
        terminationGracePeriodSeconds=after.terminationGracePeriodSeconds if may_change_grace else grace_s,
    )


def _with_images(before: list[Container], after: list[Container]) -> list[Container]:
    return [msgspec.structs.replace(b, image=a.image) for b, a in zip(before, after, strict=True)]
