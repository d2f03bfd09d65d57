"""The object: does it exist in this namespace?"""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.explain.finding import Finding, fault, ok
from fairlead.explain.labels import like
from fairlead.explain.snapshot import Snapshot

_NEAR = 0.6


def find(s: Snapshot) -> Finding | None:
    looked_at = f'{s.kind} "{s.name}" in namespace {s.namespace}'
    if s.chosen is not None or s.ingress is not None:
        return ok(f"{looked_at}: {_state(s)}")
    near = max(_names(s), key=lambda name: like(name, s.name), default="")
    cause = f'namespace {s.namespace} has no {s.kind} "{s.name}"'
    if near and like(near, s.name) >= _NEAR:
        return fault(looked_at, f'{cause}; did you mean "{near}"?', cure=s.kubectl(f"get {s.kind} {near}"))
    return fault(looked_at, cause, cure=s.kubectl(f"get {s.kind}"))


def _state(s: Snapshot) -> str:
    if s.workload is not None:
        return f"{s.workload.ready} of {s.workload.replicas} ready"
    return s.chosen[0].status.phase if s.chosen else "stored"


def _names(s: Snapshot) -> Iterator[str]:
    if s.kind == "pod":
        yield from (pod.metadata.name for pod in s.pods)
    else:
        yield from (one.name for one in s.workloads)
