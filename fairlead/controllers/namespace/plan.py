"""Decides what to do about a terminating namespace, given what is still in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from fairlead.api.event import EVENT
from fairlead.api.meta import ObjectMeta
from fairlead.api.namespace import NAMESPACE, Namespace, NamespaceCondition
from fairlead.base.instant import Instant, render_time
from fairlead.machinery.kind import Kind
from fairlead.runtime.plan import NOTHING, Call, Plan, Update

_FINALIZER = "kubernetes"
_AGAIN_S = 1.0
_POLL_S = 5.0


@dataclass(frozen=True, slots=True)
class Remains:
    """What a namespace still holds of one kind."""

    kind: Kind[Any]
    objects: Sequence[ObjectMeta]


def reconcile(namespace: Namespace, remains: Sequence[Remains], *, now: Instant) -> Plan:
    """`remains`: only kinds of which something is left."""
    meta = namespace.metadata
    if not meta.deletionTimestamp or _FINALIZER not in namespace.spec.finalizers:
        return NOTHING
    if not remains:
        return Plan(call=(_finalize(namespace),))
    fresh = [r.kind for r in remains if any(not o.deletionTimestamp for o in r.objects)]
    # Events last: what is deleted here still makes some.
    ordered = sorted(fresh, key=lambda kind: (kind is EVENT, kind.resource))
    calls = tuple(Call("DELETE", kind.path(meta.name)) for kind in ordered)
    status = _with_conditions(namespace, remains, now)
    return Plan(
        call=calls,
        status=(Update(NAMESPACE, status, "status"),) if status.status != namespace.status and not calls else (),
        retry_after=_AGAIN_S if calls else _POLL_S,
    )


def _finalize(namespace: Namespace) -> Call:
    rest = [name for name in namespace.spec.finalizers if name != _FINALIZER]
    obj = msgspec.structs.replace(
        namespace,
        kind=NAMESPACE.kind,
        apiVersion=NAMESPACE.api_version,
        spec=msgspec.structs.replace(namespace.spec, finalizers=rest),
    )
    return Call("PUT", NAMESPACE.path("", namespace.metadata.name, "finalize"), msgspec.json.encode(obj))


def _with_conditions(namespace: Namespace, remains: Sequence[Remains], now: Instant) -> Namespace:
    """Says in upstream's words what the deletion waits for."""
    finalizers: dict[str, int] = {}
    for obj in (obj for r in remains for obj in r.objects):
        for name in obj.finalizers:
            finalizers[name] = finalizers.get(name, 0) + 1
    counts = {r.kind.resource: len(r.objects) for r in remains}
    texts = {
        "NamespaceContentRemaining": _content_text(counts),
        "NamespaceFinalizersRemaining": _finalizer_text(finalizers),
    }
    reasons = {
        "NamespaceContentRemaining": ("SomeResourcesRemain", "ContentRemoved", "All content successfully removed"),
        "NamespaceFinalizersRemaining": (
            "SomeFinalizersRemain",
            "ContentHasNoFinalizers",
            "All content-preserving finalizers finished",
        ),
    }
    old = {c.type: c for c in namespace.status.conditions}
    conditions = [c for c in namespace.status.conditions if c.type not in texts]
    for type, text in texts.items():
        bad, good, good_text = reasons[type]
        status = "True" if text else "False"
        before = old.get(type)
        since = before.lastTransitionTime if before and before.status == status else render_time(now)
        conditions.append(
            NamespaceCondition(
                type=type,
                status=status,
                reason=bad if text else good,
                message=text or good_text,
                lastTransitionTime=since,
            )
        )
    return msgspec.structs.replace(
        namespace, status=msgspec.structs.replace(namespace.status, conditions=conditions, phase="Terminating")
    )


def _content_text(counts: Mapping[str, int]) -> str:
    parts = [f"{resource} has {count} resource instances" for resource, count in sorted(counts.items())]
    return f"Some resources are remaining: {', '.join(parts)}" if parts else ""


def _finalizer_text(finalizers: Mapping[str, int]) -> str:
    parts = [f"{name} in {count} resource instances" for name, count in sorted(finalizers.items())]
    return f"Some content in the namespace has finalizers remaining: {', '.join(parts)}" if parts else ""
