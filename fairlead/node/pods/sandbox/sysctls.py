"""Kernel parameters of a pod's namespaces: only those that touch nothing outside them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from fairlead.api.core.pod.kind import Pod

SAFE = frozenset(
    {
        "kernel/shm_rmid_forced",
        *(f"net/ipv4/ip_{name}" for name in ("local_port_range", "local_reserved_ports", "unprivileged_port_start")),
        "net/ipv4/ping_group_range",
        *(f"net/ipv4/tcp_{name}" for name in ("syncookies", "fin_timeout", "rmem", "wmem")),
        *(f"net/ipv4/tcp_keepalive_{name}" for name in ("time", "intvl", "probes")),
    }
)
"""The parameters that upstream calls safe."""


def sysctls_of(pod: Pod) -> Iterator[tuple[str, str]]:
    """Yields path below /proc/sys and value of each parameter."""
    for setting in pod.spec.securityContext.sysctls if pod.spec.securityContext else ():
        yield _path(setting.name), setting.value


def unsafe_sysctl(pod: Pod, allowed: Collection[str]) -> str:
    """Returns the first parameter that this node refuses; empty if it refuses none. `allowed` has names, or starts of
    names before a star."""
    settings = pod.spec.securityContext.sysctls if pod.spec.securityContext else ()
    patterns = [_path(name) for name in allowed]
    return next((setting.name for setting in settings if not _allowed(_path(setting.name), patterns)), "")


def _allowed(path: str, patterns: Collection[str]) -> bool:
    if path in SAFE or path in patterns:
        return True
    return any(pattern.endswith("*") and path.startswith(pattern[:-1]) for pattern in patterns)


def _path(name: str) -> str:
    """Returns a name as a path: the first separator of the name separates all its parts (sysctl.d(5))."""
    dot, slash = name.find("."), name.find("/")
    if dot < 0 or 0 <= slash < dot:
        return name
    return name.translate(str.maketrans("./", "/."))
