"""The name: does the Service exist in this namespace?"""

from __future__ import annotations

from fairlead.explain.finding import Finding, fault, ok
from fairlead.explain.labels import like
from fairlead.explain.snapshot import Snapshot

_NEAR = 0.6
"""Smallest likeness of a suggested name: two letters swapped in a name of three are 0.67."""


def find(s: Snapshot) -> Finding | None:
    looked_at = f'Service "{s.name}" in namespace {s.namespace}'
    if s.service is not None:
        spec = s.service.spec
        remark = "" if spec.clusterIP in ("", "None") else " (answers its ports only, and no ping)"
        return ok(f"{looked_at}: {spec.type or 'ClusterIP'} {spec.clusterIP}".rstrip() + remark)
    cause = f'namespace {s.namespace} has no Service "{s.name}"'
    elsewhere = sorted(one.metadata.namespace for one in s.services if one.metadata.name == s.name)
    if elsewhere:
        name = f"{s.name}.{elsewhere[0]}"
        return fault(
            looked_at,
            f"{cause}; namespace {', '.join(elsewhere)} has one: use the name {name}",
            f"the short name {s.name} only works for Pods in namespace {elsewhere[0]}",
            cure=f"fairlead why svc/{s.name} -n {elsewhere[0]}",
        )
    here = [one.metadata.name for one in s.services if one.metadata.namespace == s.namespace]
    near = max(here, key=lambda name: like(name, s.name), default="")
    if near and like(near, s.name) >= _NEAR:
        return fault(looked_at, f'{cause}; did you mean "{near}"?', cure=s.kubectl(f"get svc {near}"))
    return fault(looked_at, cause, f"Services there: {', '.join(sorted(here)) or 'none'}", cure=s.kubectl("get svc"))
