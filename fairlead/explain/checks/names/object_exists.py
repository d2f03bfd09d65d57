"""The object: does it exist in this namespace?"""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.base.texts import text
from fairlead.explain.finding import Finding, fault, ok
from fairlead.explain.labels import like
from fairlead.explain.runs import RUNS
from fairlead.explain.snapshot import KINDS, Snapshot
from fairlead.explain.words import Message

_NEAR = 0.6


def find(s: Snapshot) -> Finding | None:
    looked_at = text('{kind} "{name}" in namespace {namespace}', kind=s.kind, name=s.name, namespace=s.namespace)
    if s.chosen is not None or s.ingress is not None:
        return ok(text("{looked_at}: {state}", looked_at=looked_at, state=_state(s)))
    near = max(_names(s), key=lambda name: like(name, s.name), default="")
    cause = text('namespace {namespace} has no {kind} "{name}"', namespace=s.namespace, kind=s.kind, name=s.name)
    if near and like(near, s.name) >= _NEAR:
        return fault(
            looked_at,
            text('{cause}; did you mean "{near}"?', cause=cause, near=near),
            cure=s.kubectl(f"get {s.kind} {near}"),
        )
    return fault(looked_at, cause, cure=s.kubectl(f"get {s.kind}"))


def _state(s: Snapshot) -> Message:
    if s.workload is not None:
        return text("{ready} of {replicas} ready", ready=s.workload.ready, replicas=s.workload.replicas)
    if s.run is not None:
        return text("stored")
    return s.chosen[0].status.phase if s.chosen else text("stored")


def _names(s: Snapshot) -> Iterator[str]:
    if s.kind == "pod":
        yield from (pod.metadata.name for pod in s.pods)
    else:
        kind = (KINDS | RUNS).get(s.kind)
        yield from (one.name for one in s.workloads if one.kind == kind)
        yield from (one.name for one in s.runs if one.kind == kind)
