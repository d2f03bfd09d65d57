"""The workload: has its controller made the Pods, and does the rollout go on?"""

from __future__ import annotations

from fairlead.base.texts import text
from fairlead.explain.finding import Finding, fault, note, ok, unknown
from fairlead.explain.snapshot import Snapshot
from fairlead.explain.words import joined, pods_of


def find(s: Snapshot) -> Finding | None:
    workload = s.workload
    if workload is None:
        return None
    looked_at = text("state of the {kind}", kind=workload.kind)
    if workload.failure:
        return fault(
            looked_at,
            text("no Pod can be made: {failure}", failure=workload.failure),
            cure=s.kubectl(f"describe {s.kind} {s.name}"),
        )
    if not workload.replicas:
        cure = s.kubectl(f"scale {s.kind} {s.name} --replicas 1") if workload.kind != "DaemonSet" else ""
        return note(looked_at, text("it is scaled to 0, so it has no Pods"), cure=cure)
    if workload.paused and not s.selected:
        cause = text("its rollout is paused, and it has made no Pods")
        return fault(looked_at, cause, cure=s.kubectl(f"rollout resume {s.kind} {s.name}"))
    if workload.paused:
        return note(looked_at, text("its rollout is paused"), cure=s.kubectl(f"rollout resume {s.kind} {s.name}"))
    if not s.selected:
        return unknown(
            looked_at, text("its controller has made no Pod yet"), cure=s.kubectl(f"describe {s.kind} {s.name}")
        )
    made = text(
        "{pods}, {ready} of {replicas} ready",
        pods=pods_of(len(s.selected)),
        ready=workload.ready,
        replicas=workload.replicas,
    )
    return ok(
        joined(
            text("{looked_at}: {made}", looked_at=looked_at, made=made),
            (text("; {stalled}", stalled=workload.stalled) if workload.stalled else ""),
        )
    )
