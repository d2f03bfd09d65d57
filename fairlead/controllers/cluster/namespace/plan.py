"""Decides what to do about a terminating namespace, given what is still in it.

What must stay true: Pods go first (`Kind.emptied`), and nothing else is deleted while one is left, so that what Pods
need at their end is still there (KEP-5080, OrderedNamespaceDeletion). Events go last: deleting makes some.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from fairlead.api.core.namespace.kind import NAMESPACE, Namespace
from fairlead.api.meta.types import ObjectMeta
from fairlead.base.instant import Instant, parse_time
from fairlead.controllers.cluster.namespace.conditions import with_conditions
from fairlead.machinery.kind import Kind
from fairlead.runtime.plan import NOTHING, Call, Plan, Update

_FINALIZER = "kubernetes"
_POLL_S = 5.0


@dataclass(frozen=True, slots=True)
class Remains:
    """What a namespace still holds of one kind."""

    kind: Kind[Any]
    objects: Sequence[ObjectMeta]


def kinds_to_delete(remains: Sequence[Remains]) -> list[Kind[Any]]:
    """Returns the kinds of which something must be deleted now, in order."""
    fresh = [r.kind for r in _in_turn(remains) if any(not o.deletionTimestamp for o in r.objects)]
    return sorted(fresh, key=lambda kind: (kind.emptied == "last", kind.resource))


def reconcile(namespace: Namespace, remains: Sequence[Remains], failures: Sequence[str], *, now: Instant) -> Plan:
    """`remains`: only kinds of which something is left after what could be deleted was. `failures`: why something
    could not be."""
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
    """Whether the namespace is being deleted and waits for this controller."""
    return bool(namespace.metadata.deletionTimestamp) and _FINALIZER in namespace.spec.finalizers


def _in_turn(remains: Sequence[Remains]) -> Sequence[Remains]:
    return [r for r in remains if r.kind.emptied == "first"] or remains


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
    """What should have gone: it has no finalizer, and the time that its Pods were given is over."""
    name = namespace.metadata.name
    since = parse_time(namespace.metadata.deletionTimestamp or "")
    for r in remains:
        grace_s = max((o.deletionGracePeriodSeconds or 0 for o in r.objects), default=0)
        if now - since >= grace_s and not any(o.finalizers for o in r.objects):
            resource = f"{r.kind.group}/{r.kind.version}, Resource={r.kind.plural}"
            yield f"unexpected items still remain in namespace: {name} for gvr: {resource}"


def _full_name(kind: Kind[Any]) -> str:
    """As upstream writes it here: with a dot also if there is no group."""
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
