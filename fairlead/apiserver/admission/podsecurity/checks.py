"""The checks of each level and version.

A check has revisions, each from a minor version on. A check of `restricted` may replace one of `baseline`. The order
is that of upstream's texts: by name, those of `baseline` first.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from fairlead.api.core.pod.spec import PodSpec
from fairlead.apiserver.admission.podsecurity import baseline, restricted
from fairlead.apiserver.admission.podsecurity.baseline import Annotations
from fairlead.apiserver.admission.podsecurity.levels import Level
from fairlead.apiserver.admission.podsecurity.texts import Violation
from fairlead.base.dataclass import dataclass

Check = Callable[[PodSpec, Annotations], Violation | None]


@dataclass(frozen=True, slots=True)
class _Revisions:
    name: str
    revisions: tuple[tuple[int, Check], ...]
    """Minor versions in ascending order, each with the check from there on."""
    replaces: str = ""
    """The name of the check of `baseline` that is not made besides."""

    def at(self, minor: int) -> Check | None:
        found = [check for since, check in self.revisions if since <= minor]
        return found[-1] if found else None


_BASELINE = (
    _Revisions("appArmorProfile", ((0, baseline.app_armor),)),
    _Revisions("capabilities_baseline", ((0, baseline.capabilities),)),
    _Revisions("hostNamespaces", ((0, baseline.host_namespaces),)),
    _Revisions("hostPathVolumes", ((0, baseline.host_paths),)),
    _Revisions("hostPorts", ((0, baseline.host_ports),)),
    _Revisions("hostProbesAndHostLifecycle", ((34, baseline.probe_hosts),)),
    _Revisions("privileged", ((0, baseline.privileged),)),
    _Revisions("procMount", ((0, baseline.proc_mount), (35, baseline.proc_mount_35))),
    _Revisions("seLinuxOptions", ((0, baseline.selinux), (31, baseline.selinux_31))),
    _Revisions("seccompProfile_baseline", ((0, baseline.seccomp_annotations), (19, baseline.seccomp))),
    _Revisions(
        "sysctls",
        ((0, baseline.sysctls), (27, baseline.sysctls_27), (29, baseline.sysctls_29), (32, baseline.sysctls_32)),
    ),
    _Revisions("windowsHostProcess", ((0, baseline.windows_host_process),)),
)
_RESTRICTED = (
    _Revisions(
        "allowPrivilegeEscalation",
        ((8, restricted.privilege_escalation), (25, restricted.privilege_escalation_25)),
    ),
    _Revisions(
        "capabilities_restricted",
        ((22, restricted.capabilities), (25, restricted.capabilities_25)),
        replaces="capabilities_baseline",
    ),
    _Revisions("procMount_restricted", ((35, baseline.proc_mount),), replaces="procMount"),
    _Revisions("restrictedVolumes", ((0, restricted.volumes),), replaces="hostPathVolumes"),
    _Revisions("runAsNonRoot", ((0, restricted.non_root), (35, restricted.non_root_35))),
    _Revisions("runAsUser", ((23, restricted.user), (35, restricted.user_35))),
    _Revisions(
        "seccompProfile_restricted",
        ((19, restricted.seccomp_restricted), (25, restricted.seccomp_restricted_25)),
        replaces="seccompProfile_baseline",
    ),
)


def violations(level: Level, spec: PodSpec, annotations: Annotations) -> list[Violation]:
    """Returns the checks of the level that the Pod does not pass."""
    found = (check(spec, annotations) for check in _checks(level))
    return [violation for violation in found if violation is not None]


@functools.lru_cache(maxsize=64)
def _checks(level: Level) -> tuple[Check, ...]:
    if level.name == "privileged":
        return ()
    stricter = [one for one in _RESTRICTED if level.name == "restricted" and one.at(level.minor) is not None]
    replaced = {one.replaces for one in stricter}
    chosen = [*(one for one in _BASELINE if one.name not in replaced), *stricter]
    return tuple(check for one in chosen if (check := one.at(level.minor)) is not None)
