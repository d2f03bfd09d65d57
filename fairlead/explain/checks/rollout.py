"""The workload: has its controller made the Pods, and does the rollout go on?"""

from __future__ import annotations

from fairlead.explain.finding import Finding, fault, note, ok, unknown
from fairlead.explain.snapshot import Snapshot, count


def find(s: Snapshot) -> Finding | None:
    workload = s.workload
    if workload is None:
        return None
    looked_at = f"state of the {workload.kind}"
    if workload.failure:
        return fault(
            looked_at, f"no Pod can be made: {workload.failure}", cure=s.kubectl(f"describe {s.kind} {s.name}")
        )
    if not workload.replicas:
        cure = s.kubectl(f"scale {s.kind} {s.name} --replicas 1") if workload.kind != "DaemonSet" else ""
        return note(looked_at, "it is scaled to 0, so it has no Pods", cure=cure)
    if workload.paused:
        return note(looked_at, "its rollout is paused", cure=s.kubectl(f"rollout resume {s.kind} {s.name}"))
    if not s.selected:
        return unknown(looked_at, "its controller has made no Pod yet", cure=s.kubectl(f"describe {s.kind} {s.name}"))
    made = f"{count(len(s.selected), 'Pod')}, {workload.ready} of {workload.replicas} ready"
    return ok(f"{looked_at}: {made}" + (f"; {workload.stalled}" if workload.stalled else ""))
