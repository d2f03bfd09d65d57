"""The checks that the level `restricted` adds. Source: upstream's `pod-security-admission/policy`, with its texts."""

from __future__ import annotations

from fairlead.api.core.pod.spec import PodSpec
from fairlead.apiserver.admission.podsecurity.baseline import Annotations, has_user_namespace, seccomp
from fairlead.apiserver.admission.podsecurity.texts import Violation, containers_of, named, plural, quoted, setters

_VOLUMES = frozenset(
    [
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    ]
)
_PROFILES = ("Localhost", "RuntimeDefault")


def is_windows(spec: PodSpec) -> bool:
    return spec.os is not None and spec.os.name == "windows"


def privilege_escalation(spec: PodSpec, _: Annotations) -> Violation | None:
    """Demands that processes cannot gain privileges."""
    names = [
        c.name
        for c in containers_of(spec)
        if c.securityContext is None or c.securityContext.allowPrivilegeEscalation is not False
    ]
    if not names:
        return None
    detail = f"{named(names)} must set securityContext.allowPrivilegeEscalation=false"
    return Violation("allowPrivilegeEscalation != false", detail)


def privilege_escalation_25(spec: PodSpec, annotations: Annotations) -> Violation | None:
    """Demands that processes cannot gain privileges, on Linux."""
    return None if is_windows(spec) else privilege_escalation(spec, annotations)


def capabilities(spec: PodSpec, _: Annotations) -> Violation | None:
    """Demands that all capabilities are dropped; only NET_BIND_SERVICE may be added."""
    missing: list[str] = []
    adding: list[str] = []
    added: set[str] = set()
    for container in containers_of(spec):
        found = container.securityContext.capabilities if container.securityContext is not None else None
        if found is None or "ALL" not in found.drop:
            missing.append(container.name)
        if found is not None and (more := set(found.add) - {"NET_BIND_SERVICE"}):
            adding.append(container.name)
            added |= more
    details = [f'{named(missing)} must set securityContext.capabilities.drop=["ALL"]'] if missing else []
    if adding:
        what = f"must not include {quoted(sorted(added))} in securityContext.capabilities.add"
        details.append(f"{named(adding)} {what}")
    return Violation("unrestricted capabilities", "; ".join(details)) if details else None


def capabilities_25(spec: PodSpec, annotations: Annotations) -> Violation | None:
    """Demands that all capabilities are dropped, on Linux."""
    return None if is_windows(spec) else capabilities(spec, annotations)


def volumes(spec: PodSpec, _: Annotations) -> Violation | None:
    """Refuses volumes other than those of the cluster's own objects and storage."""
    names: list[str] = []
    types: set[str] = set()
    for volume in spec.volumes:
        given = [field for field in volume.__struct_fields__ if field != "name" and getattr(volume, field) is not None]
        if not _VOLUMES.intersection(given):
            names.append(volume.name)
            types.add(given[0] if given else "unknown")
    if not names:
        return None
    used = (
        f"{plural('uses', 'use', len(names))} {plural('restricted volume type', 'restricted volume types', len(types))}"
    )
    detail = f"{plural('volume', 'volumes', len(names))} {quoted(names)} {used} {quoted(sorted(types))}"
    return Violation("restricted volume types", detail)


def non_root(spec: PodSpec, _: Annotations) -> Violation | None:
    """Demands that no process runs as root."""
    own = spec.securityContext.runAsNonRoot if spec.securityContext is not None else None
    refusing: list[str] = []
    silent: list[str] = []
    for container in containers_of(spec):
        asked = container.securityContext.runAsNonRoot if container.securityContext is not None else None
        if asked is False:
            refusing.append(container.name)
        elif asked is None and own is not True:
            silent.append(container.name)
    reason = "runAsNonRoot != true"
    if own is False or refusing:
        return Violation(reason, f"{setters(own is False, refusing)} must not set securityContext.runAsNonRoot=false")
    if silent:
        return Violation(reason, f"pod or {named(silent)} must set securityContext.runAsNonRoot=true")
    return None


def non_root_35(spec: PodSpec, annotations: Annotations) -> Violation | None:
    """Demands that no process runs as root, unless the Pod has a user namespace."""
    return None if has_user_namespace(spec) else non_root(spec, annotations)


def user(spec: PodSpec, _: Annotations) -> Violation | None:
    """Refuses root as the user."""
    of_pod = spec.securityContext is not None and spec.securityContext.runAsUser == 0
    names = [c.name for c in containers_of(spec) if c.securityContext is not None and c.securityContext.runAsUser == 0]
    if not of_pod and not names:
        return None
    return Violation("runAsUser=0", f"{setters(of_pod, names)} must not set runAsUser=0")


def user_35(spec: PodSpec, annotations: Annotations) -> Violation | None:
    """Refuses root as the user, unless the Pod has a user namespace."""
    return None if has_user_namespace(spec) else user(spec, annotations)


def seccomp_restricted(spec: PodSpec, annotations: Annotations) -> Violation | None:
    """Demands a seccomp profile."""
    if (violation := seccomp(spec, annotations)) is not None:
        return violation
    if spec.securityContext is not None and spec.securityContext.seccompProfile is not None:
        return None
    silent = [
        c.name for c in containers_of(spec) if c.securityContext is None or c.securityContext.seccompProfile is None
    ]
    if not silent:
        return None
    what = f'must set securityContext.seccompProfile.type to "{_PROFILES[1]}" or "{_PROFILES[0]}"'
    return Violation("seccompProfile", f"pod or {named(silent)} {what}")


def seccomp_restricted_25(spec: PodSpec, annotations: Annotations) -> Violation | None:
    """Demands a seccomp profile, on Linux."""
    return None if is_windows(spec) else seccomp_restricted(spec, annotations)
