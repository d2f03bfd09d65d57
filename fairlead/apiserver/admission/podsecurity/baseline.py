"""The checks of the level `baseline`. Source: upstream's `pod-security-admission/policy`, with its texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fairlead.api.core.pod.containers.probe import Probe
from fairlead.api.core.pod.spec import PodSpec
from fairlead.apiserver.admission.podsecurity.texts import Violation, containers_of, named, plural, quoted, setters
from fairlead.machinery.values.quoting import go_quote

Annotations = Mapping[str, str]

_CAPABILITIES = frozenset(
    [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ]
)
_APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"
_SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
_PROFILES = ("Localhost", "RuntimeDefault")
_SELINUX_TYPES = frozenset({"", "container_t", "container_init_t", "container_kvm_t"})
_SELINUX_TYPES_31 = _SELINUX_TYPES | {"container_engine_t"}
_SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
        "net.ipv4.ip_unprivileged_port_start",
    }
)
_SYSCTLS_27 = _SYSCTLS | {"net.ipv4.ip_local_reserved_ports"}
_SYSCTLS_29 = _SYSCTLS_27 | {
    *("net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout"),
    *("net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes"),
}
_SYSCTLS_32 = _SYSCTLS_29 | {"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"}


def app_armor(spec: PodSpec, annotations: Annotations) -> Violation | None:
    """Refuses AppArmor profiles other than the runtime's or one of the node."""
    own = spec.securityContext.appArmorProfile if spec.securityContext is not None else None
    of_pod = own is not None and own.type not in _PROFILES
    values = {own.type} if own is not None and of_pod else set()
    names: list[str] = []
    for container in containers_of(spec):
        context = container.securityContext
        profile = context.appArmorProfile if context is not None else None
        if profile is not None and profile.type not in _PROFILES:
            names.append(container.name)
            values.add(profile.type)
    noted = sorted(
        f"{key}={go_quote(value)}"
        for key, value in annotations.items()
        if key.startswith(_APP_ARMOR) and value not in ("", "runtime/default") and not value.startswith("localhost/")
    )
    places = [setters(of_pod, names)] if of_pod or names else []
    if noted:
        places.append(plural("annotation", "annotations", len(noted)))
    if not places:
        return None
    shown = [*sorted(values), *noted]
    reason = plural("forbidden AppArmor profile", "forbidden AppArmor profiles", len(shown))
    return Violation(reason, f"{' and '.join(places)} must not set AppArmor profile type to {quoted(shown)}")


def capabilities(spec: PodSpec, _: Annotations) -> Violation | None:
    """Refuses capabilities beyond those that runtimes give by default."""
    names, added = [], set()
    for container in containers_of(spec):
        context = container.securityContext
        given = set(context.capabilities.add) if context is not None and context.capabilities is not None else set()
        if more := given - _CAPABILITIES:
            names.append(container.name)
            added |= more
    if not names:
        return None
    detail = f"{named(names)} must not include {quoted(sorted(added))} in securityContext.capabilities.add"
    return Violation("non-default capabilities", detail)


def host_namespaces(spec: PodSpec, _: Annotations) -> Violation | None:
    """Refuses the network, process ids and IPC of the node."""
    shared = [f"{name}=true" for name in ("hostNetwork", "hostPID", "hostIPC") if getattr(spec, name)]
    return Violation("host namespaces", ", ".join(shared)) if shared else None


def host_paths(spec: PodSpec, _: Annotations) -> Violation | None:
    """Refuses files of the node as volumes."""
    names = [volume.name for volume in spec.volumes if volume.hostPath is not None]
    if not names:
        return None
    return Violation("hostPath volumes", f"{plural('volume', 'volumes', len(names))} {quoted(names)}")


def host_ports(spec: PodSpec, _: Annotations) -> Violation | None:
    """Refuses ports of the node."""
    names, ports = [], set()
    for container in containers_of(spec):
        if used := {str(port.hostPort) for port in container.ports if port.hostPort}:
            names.append(container.name)
            ports |= used
    if not names:
        return None
    what = f"{plural('uses', 'use', len(names))} {plural('hostPort', 'hostPorts', len(ports))}"
    return Violation("hostPort", f"{named(names)} {what} {', '.join(sorted(ports))}")


def probe_hosts(spec: PodSpec, _: Annotations) -> Violation | None:
    """Refuses probes and hooks that are sent to another host than the Pod."""
    names, hosts = set(), set()
    for container in containers_of(spec):
        hooks = container.lifecycle
        actions: list[Any] = [container.livenessProbe, container.readinessProbe, container.startupProbe]
        if hooks is not None:
            actions += [hooks.postStart, hooks.preStop]
        if used := {host for action in actions for host in _hosts(action)}:
            names.add(container.name)
            hosts |= used
    if not names:
        return None
    what = plural("probe or lifecycle host", "probe or lifecycle hosts", len(hosts))
    detail = f"{named(sorted(names))} {plural('uses', 'use', len(names))} {what} {quoted(sorted(hosts))}"
    return Violation("probe or lifecycle host", detail)


def _hosts(action: Probe | Any | None) -> Iterator[str]:
    for one in (action.httpGet, action.tcpSocket) if action is not None else ():
        if one is not None and one.host:
            yield one.host


def privileged(spec: PodSpec, _: Annotations) -> Violation | None:
    """Refuses privileged containers."""
    names = [c.name for c in containers_of(spec) if c.securityContext is not None and c.securityContext.privileged]
    if not names:
        return None
    return Violation("privileged", f"{named(names)} must not set securityContext.privileged=true")


def proc_mount(spec: PodSpec, _: Annotations) -> Violation | None:
    """Refuses a `/proc` without its masks."""
    found = [
        (c.name, c.securityContext.procMount)
        for c in containers_of(spec)
        if c.securityContext is not None and c.securityContext.procMount not in (None, "Default")
    ]
    if not found:
        return None
    types = sorted({str(type) for _, type in found})
    names = [name for name, _ in found]
    return Violation("procMount", f"{named(names)} must not set securityContext.procMount to {quoted(types)}")


def has_user_namespace(spec: PodSpec) -> bool:
    """Returns whether the Pod's users are not those of the node, which makes some checks unnecessary."""
    return spec.hostUsers is False


def proc_mount_35(spec: PodSpec, annotations: Annotations) -> Violation | None:
    """Refuses a `/proc` without its masks, unless the Pod has a user namespace."""
    return None if has_user_namespace(spec) else proc_mount(spec, annotations)


def selinux(spec: PodSpec, _: Annotations) -> Violation | None:
    """Refuses SELinux options other than some types."""
    return _selinux(spec, _SELINUX_TYPES)


def selinux_31(spec: PodSpec, _: Annotations) -> Violation | None:
    """Refuses SELinux options other than some types."""
    return _selinux(spec, _SELINUX_TYPES_31)


def _selinux(spec: PodSpec, allowed: frozenset[str]) -> Violation | None:
    own = spec.securityContext.seLinuxOptions if spec.securityContext is not None else None
    places = [("", own)]
    places += [
        (c.name, c.securityContext.seLinuxOptions if c.securityContext is not None else None)
        for c in containers_of(spec)
    ]
    bad = [(name, o) for name, o in places if o is not None and (o.type not in allowed or o.user or o.role)]
    if not bad:
        return None
    types = sorted({options.type for _, options in bad} - allowed)
    data = [f"{plural('type', 'types', len(types))} {quoted(types)}"] if types else []
    data += ["user may not be set"] if any(options.user for _, options in bad) else []
    data += ["role may not be set"] if any(options.role for _, options in bad) else []
    where = setters(any(not name for name, _ in bad), [name for name, _ in bad if name])
    return Violation("seLinuxOptions", f"{where} set forbidden securityContext.seLinuxOptions: {'; '.join(data)}")


def seccomp_annotations(spec: PodSpec, annotations: Annotations) -> Violation | None:
    """Refuses profiles in annotations other than the runtime's or one of the node, as before version 1.19."""
    keys = [_SECCOMP_POD, *(f"{_SECCOMP_CONTAINER}{container.name}" for container in containers_of(spec))]
    values = {key: annotations[key] for key in keys if key in annotations}
    bad = sorted(
        f"{key}={go_quote(value)}"
        for key, value in values.items()
        if value not in ("runtime/default", "docker/default") and not value.startswith("localhost/")
    )
    if not bad:
        return None
    return Violation("seccompProfile", f"forbidden {plural('annotation', 'annotations', len(bad))} {', '.join(bad)}")


def seccomp(spec: PodSpec, _: Annotations) -> Violation | None:
    """Refuses seccomp profiles other than the runtime's or one of the node."""
    own = spec.securityContext.seccompProfile if spec.securityContext is not None else None
    of_pod = own is not None and own.type not in _PROFILES
    values = {own.type} if own is not None and of_pod else set()
    names: list[str] = []
    for container in containers_of(spec):
        context = container.securityContext
        profile = context.seccompProfile if context is not None else None
        if profile is not None and profile.type not in _PROFILES:
            names.append(container.name)
            values.add(profile.type)
    if not of_pod and not names:
        return None
    what = f"must not set securityContext.seccompProfile.type to {quoted(sorted(values))}"
    return Violation("seccompProfile", f"{setters(of_pod, names)} {what}")


def sysctls(spec: PodSpec, _: Annotations) -> Violation | None:
    """Refuses kernel parameters that may affect the node."""
    return _sysctls(spec, _SYSCTLS)


def sysctls_27(spec: PodSpec, _: Annotations) -> Violation | None:
    """Refuses kernel parameters that may affect the node."""
    return _sysctls(spec, _SYSCTLS_27)


def sysctls_29(spec: PodSpec, _: Annotations) -> Violation | None:
    """Refuses kernel parameters that may affect the node."""
    return _sysctls(spec, _SYSCTLS_29)


def sysctls_32(spec: PodSpec, _: Annotations) -> Violation | None:
    """Refuses kernel parameters that may affect the node."""
    return _sysctls(spec, _SYSCTLS_32)


def _sysctls(spec: PodSpec, allowed: frozenset[str]) -> Violation | None:
    given = spec.securityContext.sysctls if spec.securityContext is not None else []
    names = [one.name for one in given if one.name not in allowed]
    return Violation("forbidden sysctls", ", ".join(names)) if names else None


def windows_host_process(spec: PodSpec, _: Annotations) -> Violation | None:
    """Refuses containers that run as processes of a Windows node."""
    own = spec.securityContext.windowsOptions if spec.securityContext is not None else None
    of_pod = own is not None and bool(own.hostProcess)
    names = []
    for container in containers_of(spec):
        options = container.securityContext.windowsOptions if container.securityContext is not None else None
        if options is not None and options.hostProcess:
            names.append(container.name)
    if not of_pod and not names:
        return None
    return Violation(
        "hostProcess", f"{setters(of_pod, names)} must not set securityContext.windowsOptions.hostProcess=true"
    )
