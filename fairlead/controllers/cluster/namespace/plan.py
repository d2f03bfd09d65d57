"""Decides what to do about a terminating namespace, given its remaining objects.

What must stay true: Pods are deleted first (`Kind.deletion_turn`), and nothing else is deleted while a Pod remains, so
that Pods have all they need while they terminate (KEP-5080, OrderedNamespaceDeletion). Events go last, because
deletions record Events.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from fairlead.api.core.namespace.kind import NAMESPACE, Namespace
from fairlead.api.meta.types import ObjectMeta
from fairlead.base.dataclass import dataclass
from fairlead.base.instant import Instant, parse_time
from fairlead.controllers.cluster.namespace.conditions import with_conditions
from fairlead.machinery.kinds.kind import Kind
from fairlead.runtime.plan import NOTHING, Call, Plan, Update

_FINALIZER = "kubernetes"
_POLL_S = 5.0


@dataclass(frozen=True, slots=True)
class Remains:
    """The remaining objects of one kind in a namespace."""

    kind: Kind[Any]
    objects: Sequence[ObjectMeta]


def kinds_to_delete(remains: Sequence[Remains]) -> list[Kind[Any]]:
    """Returns the kinds to delete now, in order."""
    fresh = [r.kind for r in _in_turn(remains) if any(not o.deletionTimestamp for o in r.objects)]
    return sorted(fresh, key=lambda kind: (kind.deletion_turn == "last", kind.resource))


def reconcile(namespace: Namespace, remains: Sequence[Remains], failures: Sequence[str], *, now: Instant) -> Plan:
    """Returns the plan for the namespace. `remains`: the kinds of which objects remain after deletion. `failures`:
    messages about failed deletions."""
    if not is_ours(namespace):
        return NOTHING
    turn = _in_turn(remains)
    texts = {
        "NamespaceDeletionContentFailure": _failure_text([*failures, *_unexpected(namespace, turn, now)]),
        "NamespaceContentRemaining": _content_text({_full_name(r.kind): len(r.objects) for r in turn}),
        "NamespaceFinalizersRemaining": _finalizer_text(turn),
    }
    status = with_conditions(namespace.status, texts, now)
    if remains or failures:
        changed = status != namespace.status
        new = msgspec.structs.replace(namespace, status=status)
        return Plan(status=(Update(NAMESPACE, new, "status"),) if changed else (), retry_after=_POLL_S)
    stays = len(namespace.spec.finalizers) > 1 or namespace.metadata.finalizers
    if stays and status != namespace.status:
        return Plan(status=(Update(NAMESPACE, msgspec.structs.replace(namespace, status=status), "status"),))
    return Plan(call=(_finalize(namespace),))


def is_ours(namespace: Namespace) -> bool:
    """Returns whether the namespace is being deleted and waits for this controller."""
    return bool(namespace.metadata.deletionTimestamp) and _FINALIZER in namespace.spec.finalizers


def _in_turn(remains: Sequence[Remains]) -> Sequence[Remains]:
    return [r for r in remains if r.kind.deletion_turn == "first"] or remains


def _finalize(namespace: Namespace) -> Call:
    rest = [name for name in namespace.spec.finalizers if name != _FINALIZER]
    obj = msgspec.structs.replace(
        namespace,
        kind=NAMESPACE.kind,
        apiVersion=NAMESPACE.api_version,
        spec=msgspec.structs.replace(namespace.spec, finalizers=rest),
    )
    return Call("PUT", NAMESPACE.path("", namespace.metadata.name, "finalize"), msgspec.json.encode(obj))


def _unexpected(namespace: Namespace, remains: Sequence[Remains], now: Instant) -> Iterator[str]:
    """Yields messages about objects that should be deleted by now: they are without finalizers, and the grace period of
    their Pods is over."""
    name = namespace.metadata.name
    since = parse_time(namespace.metadata.deletionTimestamp or "")
    for r in remains:
        grace_s = max((o.deletionGracePeriodSeconds or 0 for o in r.objects), default=0)
        if now - since >= grace_s and not any(o.finalizers for o in r.objects):
            resource = f"{r.kind.group}/{r.kind.version}, Resource={r.kind.plural}"
            yield f"unexpected items still remain in namespace: {name} for gvr: {resource}"


def _full_name(kind: Kind[Any]) -> str:
    """Returns the name as upstream writes it in these messages: with a dot even if the group is empty."""
    return f"{kind.plural}.{kind.group}"


def _failure_text(failures: Sequence[str]) -> str:
    if not failures:
        return ""
    return f"Failed to delete all resource types, {len(failures)} remaining: {', '.join(sorted(failures))}"


def _content_text(counts: Mapping[str, int]) -> str:
    parts = [f"{resource} has {count} resource instances" for resource, count in sorted(counts.items())]
    return f"Some resources are remaining: {', '.join(parts)}" if parts else ""


def _finalizer_text(remains: Sequence[Remains]) -> str:
    finalizers: dict[str, int] = {}
    for obj in (obj for r in remains for obj in r.objects):
        for name in obj.finalizers:
            finalizers[name] = finalizers.get(name, 0) + 1
    parts = [f"{name} in {count} resource instances" for name, count in sorted(finalizers.items())]
    return f"Some content in the namespace has finalizers remaining: {', '.join(parts)}" if parts else ""
