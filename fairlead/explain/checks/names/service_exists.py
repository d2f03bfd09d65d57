"""The name: does the Service exist in this namespace?"""

from __future__ import annotations

from fairlead.api.core.service.predicates import has_cluster_ip
from fairlead.base.texts import text
from fairlead.explain.finding import Finding, fault, ok
from fairlead.explain.labels import like
from fairlead.explain.snapshot import Snapshot
from fairlead.explain.words import joined

_NEAR = 0.6
"""Smallest likeness of a suggested name: two letters swapped in a name of three are 0.67."""


def find(s: Snapshot) -> Finding | None:
    looked_at = text('Service "{name}" in namespace {namespace}', name=s.name, namespace=s.namespace)
    if s.service is not None:
        spec = s.service.spec
        remark = text(" (answers its ports only, and no ping)") if has_cluster_ip(spec) else ""
        state = f"{spec.type or 'ClusterIP'} {spec.clusterIP}".rstrip()
        return ok(joined(text("{looked_at}: {state}", looked_at=looked_at, state=state), remark))
    cause = text('namespace {namespace} has no Service "{name}"', namespace=s.namespace, name=s.name)
    elsewhere = sorted(one.metadata.namespace for one in s.services if one.metadata.name == s.name)
    if elsewhere:
        name = f"{s.name}.{elsewhere[0]}"
        return fault(
            looked_at,
            text(
                "{cause}; namespace {names} has one: use the name {name}",
                cause=cause,
                names=", ".join(elsewhere),
                name=name,
            ),
            text("the short name {name} only works for Pods in namespace {first}", name=s.name, first=elsewhere[0]),
            cure=f"fairlead why svc/{s.name} -n {elsewhere[0]}",
        )
    here = [one.metadata.name for one in s.services if one.metadata.namespace == s.namespace]
    near = max(here, key=lambda name: like(name, s.name), default="")
    if near and like(near, s.name) >= _NEAR:
        return fault(
            looked_at,
            text('{cause}; did you mean "{near}"?', cause=cause, near=near),
            cure=s.kubectl(f"get svc {near}"),
        )
    return fault(
        looked_at,
        cause,
        text("Services there: {names}", names=(", ".join(sorted(here)) or text("none"))),
        cure=s.kubectl("get svc"),
    )
