"""The Services in front of a Pod or workload."""

from __future__ import annotations

from fairlead.base.texts import text
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
            text("Services of the namespace"),
            (
                text(
                    "serviceName {service} names a Service that selects none of the Pods: the Pods get no names in DNS",
                    service=s.workload.service,
                )
                if exists
                else text(
                    "serviceName {service} names a Service that does not exist: the Pods get no names in DNS",
                    service=s.workload.service,
                )
            ),
            cure=s.kubectl(f"get svc {s.workload.service}") if exists else "",
        )
    if not names:
        return ok(text("Services of the namespace: none selects {labels}", labels=render_labels(labels)))
    return ok(
        text(
            "Services of the namespace: {names}; `fairlead why {first}` explains it",
            names=", ".join(sorted(names)),
            first=sorted(names)[0],
        )
    )
