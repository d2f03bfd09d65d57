"""Decides how an existing default role or binding is changed so that it has at least what the policy says. Pure.

What must stay true: permissions and subjects that an administrator added stay, and an object with the annotation
`rbac.authorization.kubernetes.io/autoupdate: "false"` is left alone. Source: upstream's `reconciliation` package.
"""

from __future__ import annotations

from typing import Any

import msgspec

from fairlead.api.meta.types import Object, ObjectMeta
from fairlead.api.rbac.clusterrole.kind import AggregationRule
from fairlead.apiserver.auth.rbac.bootstrap.policy import AUTO_UPDATE
from fairlead.apiserver.auth.rbac.rules import missing


def updated_role(found: Any, wanted: Any) -> Any | None:
    """Returns the role with the missing labels, selectors and rules, or None if nothing is missing."""
    if _is_protected(found):
        return None
    changes: dict[str, Any] = {}
    if found.rules != wanted.rules and (rules := missing(found.rules, wanted.rules)):
        changes["rules"] = [*found.rules, *rules]
    aggregation = getattr(wanted, "aggregationRule", None)
    if aggregation is not None:
        present = found.aggregationRule.clusterRoleSelectors if found.aggregationRule is not None else []
        if lacking := [selector for selector in aggregation.clusterRoleSelectors if selector not in present]:
            changes["aggregationRule"] = AggregationRule(clusterRoleSelectors=[*present, *lacking])
    return _changed(found, wanted, changes)


def updated_binding(found: Any, wanted: Any) -> Any | None:
    """Returns the binding with the missing labels and subjects, or None if nothing is missing."""
    if _is_protected(found):
        return None
    lacking = [subject for subject in wanted.subjects if subject not in found.subjects]
    return _changed(found, wanted, {"subjects": [*found.subjects, *lacking]} if lacking else {})


def must_recreate(found: Any, wanted: Any) -> bool:
    """Returns whether the binding grants another role, which no update can change."""
    return not _is_protected(found) and bool(found.roleRef != wanted.roleRef)


def _is_protected(found: Object) -> bool:
    return found.metadata.annotations.get(AUTO_UPDATE) == "false"


def _changed(found: Object, wanted: Object, changes: dict[str, Any]) -> Object | None:
    meta: ObjectMeta = found.metadata
    labels = wanted.metadata.labels | meta.labels
    annotations = wanted.metadata.annotations | meta.annotations
    if (labels, annotations) != (meta.labels, meta.annotations):
        changes = changes | {"metadata": msgspec.structs.replace(meta, labels=labels, annotations=annotations)}
    return msgspec.structs.replace(found, **changes) if changes else None
