"""The kinds of authorization.k8s.io/v1: questions about permissions, which are answered and never stored.

Their types share most of their parts, so one module defines all four.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.authorization.kind import (
        LocalSubjectAccessReview,
        SelfSubjectAccessReview,
        SelfSubjectRulesReview,
        SubjectAccessReview,
    )

GROUP = "authorization.k8s.io"


def _declared(kind: str, strategy: str, *, namespaced: bool = False) -> Kind[Any]:
    return declare(
        f"{__name__}.kind",
        Identity(
            kind=kind,
            group=GROUP,
            plural=f"{kind.lower()}s",
            singular=kind.lower(),
            namespaced=namespaced,
            verbs=("create",),
            answered=True,
            cached="nothing",
        ),
        strategy,
    )


LOCAL_SUBJECT_ACCESS_REVIEW: Kind[LocalSubjectAccessReview] = _declared(
    "LocalSubjectAccessReview", "LOCAL_SUBJECT_ACCESS_REVIEW_STRATEGY", namespaced=True
)
SELF_SUBJECT_ACCESS_REVIEW: Kind[SelfSubjectAccessReview] = _declared(
    "SelfSubjectAccessReview", "SELF_SUBJECT_ACCESS_REVIEW_STRATEGY"
)
SELF_SUBJECT_RULES_REVIEW: Kind[SelfSubjectRulesReview] = _declared(
    "SelfSubjectRulesReview", "SELF_SUBJECT_RULES_REVIEW_STRATEGY"
)
SUBJECT_ACCESS_REVIEW: Kind[SubjectAccessReview] = _declared("SubjectAccessReview", "SUBJECT_ACCESS_REVIEW_STRATEGY")
