"""The order of groups and versions in discovery: clients that name a resource without its group take the first match.

The numbers are upstream's (kube-apiserver's APIServices); groups and versions that are not listed come last.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

CUSTOM_GROUP, CUSTOM_VERSION = 1000, 100
"""The priorities of groups and versions of custom resources."""
_GROUPS: Mapping[str, int] = {
    "": 18000,
    "apps": 17800,
    "events.k8s.io": 17750,
    "authentication.k8s.io": 17700,
    "authorization.k8s.io": 17600,
    "autoscaling": 17500,
    "batch": 17400,
    "certificates.k8s.io": 17300,
    "networking.k8s.io": 17200,
    "policy": 17100,
    "rbac.authorization.k8s.io": 17000,
    "storage.k8s.io": 16800,
    "admissionregistration.k8s.io": 16700,
    "apiextensions.k8s.io": 16700,
    "scheduling.k8s.io": 16600,
    "coordination.k8s.io": 16500,
    "node.k8s.io": 16300,
    "discovery.k8s.io": 16200,
    "resource.k8s.io": 16200,
    "flowcontrol.apiserver.k8s.io": 16100,
    "apiregistration.k8s.io": 16000,
}
_VERSIONS: Mapping[tuple[str, str], int] = {
    ("", "v1"): 1,
    ("autoscaling", "v1"): 15,
    ("autoscaling", "v2"): 30,
    ("flowcontrol.apiserver.k8s.io", "v1"): 21,
    ("resource.k8s.io", "v1"): 21,
}
_STABLE, _BETA, _ALPHA = 15, 9, 1
_VERSION = re.compile(r"v([1-9][0-9]*)(?:(alpha|beta)([1-9][0-9]*))?")
_MATURITY = {"alpha": 0, "beta": 1, None: 2}


def group_priority(group: str) -> int:
    """Returns `groupPriorityMinimum` of a group that this server serves."""
    return _GROUPS.get(group, CUSTOM_GROUP)


def version_priority(group: str, version: str) -> int:
    """Returns `versionPriority` of a version that this server serves."""
    if group not in _GROUPS:
        return CUSTOM_VERSION
    listed = _VERSIONS.get((group, version))
    return listed or (_ALPHA if "alpha" in version else _BETA if "beta" in version else _STABLE)


def version_order(version: str) -> tuple[int, int, int, str]:
    """Returns a key that sorts versions by stability and number, the most stable and newest last; texts that are not
    versions come before all, in reverse alphabetical order."""
    match = _VERSION.fullmatch(version)
    if match is None:
        return -1, 0, 0, "".join(chr(0x10FFFF - ord(c)) for c in version)
    return _MATURITY[match[2]], int(match[1]), int(match[3] or 0), ""
