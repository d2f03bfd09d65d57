"""NetworkPolicies that select the Service's Pods: the API stores them, and nothing enforces them."""

from __future__ import annotations

from fairlead.base.texts import text
from fairlead.explain.finding import Finding, note
from fairlead.explain.snapshot import Snapshot
from fairlead.machinery.values.selectors import from_label_selector


def find(s: Snapshot) -> Finding | None:
    names = [
        policy.metadata.name
        for policy in s.policies
        if any(from_label_selector(policy.spec.podSelector).matches(pod.metadata.labels) for pod in s.selected)
    ]
    if not names:
        return None
    return note(
        text("NetworkPolicies of the namespace"),
        text(
            "NetworkPolicy {names} selects the Pods and is stored, but not enforced: it blocks nothing",
            names=", ".join(sorted(names)),
        ),
    )
