"""The way out: can Pods reach the target of an alias at all?"""

from __future__ import annotations

from fairlead.api.core.service.predicates import is_external_name
from fairlead.base.texts import text
from fairlead.explain.finding import Finding, note
from fairlead.explain.snapshot import Snapshot


def find(s: Snapshot) -> Finding | None:
    if not is_external_name(s.found.spec) or s.egress is not False:
        return None
    target = s.found.spec.externalName
    labels = target.rstrip(".").split(".")
    if labels[2:3] == ["svc"] or target.endswith(".fairlead.internal"):
        return None
    return note(
        text("settings of the cluster"),
        text(
            "Pods cannot reach {target}: the cluster has no way out, which `fairlead up --egress` opens", target=target
        ),
        cure="fairlead down && fairlead up --detach --egress",
    )
