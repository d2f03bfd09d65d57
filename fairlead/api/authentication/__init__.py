"""The kinds of authentication.k8s.io/v1: questions about users, which are answered and never stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.authentication.kind import SelfSubjectReview, TokenReview

GROUP = "authentication.k8s.io"


def _declared(kind: str, strategy: str) -> Kind[Any]:
    return declare(
        f"{__name__}.kind",
        Identity(
            kind=kind,
            group=GROUP,
            plural=f"{kind.lower()}s",
            singular=kind.lower(),
            namespaced=False,
            verbs=("create",),
            answered=True,
            cached="nothing",
        ),
        strategy,
    )


SELF_SUBJECT_REVIEW: Kind[SelfSubjectReview] = _declared("SelfSubjectReview", "SELF_SUBJECT_REVIEW_STRATEGY")
TOKEN_REVIEW: Kind[TokenReview] = _declared("TokenReview", "TOKEN_REVIEW_STRATEGY")
