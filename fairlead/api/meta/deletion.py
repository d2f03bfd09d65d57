"""Effects of a deletion on an object: pure decisions on decoded objects.

Sources: upstream's `rest.BeforeDelete` and `deletionFinalizersForGarbageCollection`. An object is removed at once
unless the kind has a grace period (`Kind.grace_s`), the object has finalizers, or the kind delays removal
(`Kind.blocks_deletion`).
"""

from __future__ import annotations

from typing import Any

from fairlead.api.meta.deleteoptions import DeleteOptions
from fairlead.api.meta.types import ObjectMeta
from fairlead.base.dataclass import dataclass
from fairlead.base.instant import Instant, parse_time, render_time
from fairlead.machinery.kinds.kind import Kind

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


@dataclass(frozen=True, slots=True)
class DeletionDecision:
    """The object to write in place of a removal (`obj`); None if it is removed or unchanged."""

    remove: bool
    obj: Any = None


def plan_deletion(kind: Kind[Any], obj: Any, options: DeleteOptions, *, now: Instant) -> DeletionDecision:
    """Decides if the object is removed now or marked for deletion. Modifies `obj`."""
    meta: ObjectMeta = obj.metadata
    before = (meta.deletionTimestamp, meta.deletionGracePeriodSeconds, tuple(meta.finalizers))
    grace_s = kind.grace_s(obj, options.gracePeriodSeconds)
    if grace_s:
        _set_grace(meta, grace_s, asked=options.gracePeriodSeconds is not None, now=now)
    _set_finalizers(kind, meta, options)
    waits = bool(meta.finalizers) or kind.blocks_deletion(obj)
    if not grace_s and waits:
        _mark_immediate(meta, now)
        kind.mark_deleted(obj)
    if not grace_s and not waits:
        return DeletionDecision(remove=True)
    after = (meta.deletionTimestamp, meta.deletionGracePeriodSeconds, tuple(meta.finalizers))
    if before[0] is None and meta.generation:
        meta.generation += 1
    return DeletionDecision(remove=False, obj=obj if before != after else None)


def can_be_removed(kind: Kind[Any], obj: Any) -> bool:
    """Returns true if an updated object has met all conditions for its removal."""
    meta: ObjectMeta = obj.metadata
    if meta.deletionTimestamp is None or meta.finalizers or meta.deletionGracePeriodSeconds:
        return False
    return not kind.blocks_deletion(obj)


def _set_grace(meta: ObjectMeta, grace_s: int, *, asked: bool, now: Instant) -> None:
    """Marks the object for deletion. A later deletion can only shorten the grace period, which ends now at the
    earliest: a period of one second is then left, so that the node sees a deletion with grace."""
    if meta.deletionTimestamp is None:
        meta.deletionTimestamp = render_time(Instant(now + grace_s))
        meta.deletionGracePeriodSeconds = grace_s
        return
    given = meta.deletionGracePeriodSeconds or 0
    if asked and grace_s < given:
        end = Instant(parse_time(meta.deletionTimestamp) - given + grace_s)
        meta.deletionTimestamp = render_time(max(end, now))
        meta.deletionGracePeriodSeconds = grace_s if end >= now else 1


def _mark_immediate(meta: ObjectMeta, now: Instant) -> None:
    """Marks the object as deleted without grace; a grace period that has not ended yet ends now."""
    if meta.deletionTimestamp is None or parse_time(meta.deletionTimestamp) > now:
        meta.deletionTimestamp = render_time(now)
    meta.deletionGracePeriodSeconds = 0


def _set_finalizers(kind: Kind[Any], meta: ObjectMeta, options: DeleteOptions) -> None:
    """Replaces the garbage collector's finalizers, which encode the treatment of dependents, if a policy is given.

    Without a policy the finalizers of the object decide, and without these the kind.
    """
    policy = options.propagationPolicy
    if policy is None and options.orphanDependents is not None:
        policy = "Orphan" if options.orphanDependents else "Background"
    if policy is None and kind.orphans_dependents and not {FOREGROUND, ORPHAN} & set(meta.finalizers):
        policy = "Orphan"
    if policy is None:
        return
    kept = [f for f in meta.finalizers if f not in (FOREGROUND, ORPHAN)]
    added = {"Foreground": [FOREGROUND], "Orphan": [ORPHAN]}.get(policy, [])
    meta.finalizers = kept + added
