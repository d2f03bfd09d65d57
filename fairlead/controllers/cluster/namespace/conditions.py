"""The conditions of a terminating namespace, with upstream's reasons and messages."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from fairlead.api.core.namespace.kind import NamespaceCondition, NamespaceStatus
from fairlead.base.dataclass import dataclass
from fairlead.base.instant import Instant, render_time


@dataclass(frozen=True, slots=True)
class _Words:
    """The reasons for True and False, and the message for False."""

    bad: str
    good: str
    message: str


# The first two are about aggregated APIs; here every kind is known in advance.
_TYPES = {
    "NamespaceDeletionDiscoveryFailure": _Words(
        "DiscoveryFailed", "ResourcesDiscovered", "All resources successfully discovered"
    ),
    "NamespaceDeletionGroupVersionParsingFailure": _Words(
        "GroupVersionParsingFailed", "ParsedGroupVersions", "All legacy kube types successfully parsed"
    ),
    "NamespaceDeletionContentFailure": _Words(
        "ContentDeletionFailed",
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    "NamespaceContentRemaining": _Words("SomeResourcesRemain", "ContentRemoved", "All content successfully removed"),
    "NamespaceFinalizersRemaining": _Words(
        "SomeFinalizersRemain", "ContentHasNoFinalizers", "All content-preserving finalizers finished"
    ),
}


def with_conditions(status: NamespaceStatus, texts: Mapping[str, str], now: Instant) -> NamespaceStatus:
    """Returns the status with all five conditions; `texts` has the problem for each type that has one."""
    old = {c.type: c for c in status.conditions}
    fresh = {type: _condition(type, words, texts.get(type, ""), old.get(type), now) for type, words in _TYPES.items()}
    conditions = [fresh.pop(c.type, c) for c in status.conditions]
    return msgspec.structs.replace(status, conditions=[*conditions, *fresh.values()], phase="Terminating")


def _condition(type: str, words: _Words, text: str, old: NamespaceCondition | None, now: Instant) -> NamespaceCondition:
    status = "True" if text else "False"
    return NamespaceCondition(
        type=type,
        status=status,
        reason=words.bad if text else words.good,
        message=text or words.message,
        lastTransitionTime=old.lastTransitionTime if old and old.status == status else render_time(now),
    )
