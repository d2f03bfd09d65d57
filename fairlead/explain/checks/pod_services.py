"""The Services in front of a Pod or workload."""

from __future__ import annotations

from fairlead.explain.finding import Finding, note, ok
from fairlead.explain.snapshot import Snapshot, render_labels


def find(s: Snapshot) -> Finding | None:
    labels = s.selected[0].metadata.labels if s.selected else s.workload.labels if s.workload is not None else None
    if labels is None:
        return None
    names = [
        f"svc/{one.metadata.name}"
        for one in s.services
        if one.metadata.namespace == s.namespace and one.spec.selector and one.spec.selector.items() <= labels.items()
    ]
    if s.workload is not None and s.workload.service and f"svc/{s.workload.service}" not in names:
        exists = any(one.metadata.name == s.workload.service for one in s.services)
        return note(
            "Services of the namespace",
            f"serviceName {s.workload.service} names a Service that "
            + ("selects none of the Pods" if exists else "does not exist")
            + ": the Pods get no names in DNS",
            cure=s.kubectl(f"get svc {s.workload.service}") if exists else "",
        )
    if not names:
        return ok(f"Services of the namespace: none selects {render_labels(labels)}")
    return ok(f"Services of the namespace: {', '.join(sorted(names))}; `fairlead why {sorted(names)[0]}` explains it")
