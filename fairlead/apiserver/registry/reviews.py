"""Answers kinds whose objects are questions (`Identity.answered`): a create returns the answer, nothing is stored.

What must stay true: the answers come from the authorizers and authenticators that also decide about requests.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from fairlead.api.authentication import SELF_SUBJECT_REVIEW, TOKEN_REVIEW
from fairlead.api.authorization import (
    LOCAL_SUBJECT_ACCESS_REVIEW,
    SELF_SUBJECT_ACCESS_REVIEW,
    SELF_SUBJECT_RULES_REVIEW,
    SUBJECT_ACCESS_REVIEW,
)
from fairlead.apiserver.auth.authentication import TokenAuthenticator
from fairlead.apiserver.auth.authorization import AuthorizerChain
from fairlead.apiserver.auth.tokens import InvalidToken
from fairlead.apiserver.model import Outcome, User
from fairlead.apiserver.registry.prepare import NamespacedName, ensure_name_matches
from fairlead.apiserver.registry.response import object_response
from fairlead.apiserver.registry.subresources.table import Call
from fairlead.apiserver.requestinfo import RequestInfo
from fairlead.apiserver.serialization.body import read_object
from fairlead.apiserver.serialization.params import write_options
from fairlead.apiserver.watchcache.cache import Entry
from fairlead.base.clock import Clock
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.values.status import bad_request, invalid_object, method_not_allowed

if TYPE_CHECKING:
    from fairlead.api.authentication.kind import UserInfo
    from fairlead.api.authorization.kind import (
        FieldSelectorAttributes,
        LabelSelectorAttributes,
        SelfSubjectAccessReviewSpec,
    )

_Answer = Callable[["Reviews", Any, User], Awaitable[None]]


class Reviews:
    """Answers the review kinds."""

    def __init__(self, authorizers: AuthorizerChain, tokens: TokenAuthenticator, *, issuer: str, clock: Clock) -> None:
        self._authorizers = authorizers
        self._tokens = tokens
        self._issuer = issuer
        self._clock = clock

    def check(self, kind: Kind[Any]) -> None:
        """Raises ValueError for an answered kind without code."""
        if kind.answered and kind not in _ANSWERS:
            raise ValueError(f"{kind.kind} of {kind.api_version}: no answer to such a question")

    async def handle(self, call: Call) -> Outcome:
        """Answers the request. Raises StatusError 400, 405, 415, 422."""
        target, request = call.target, call.request
        kind = target.resource.kind
        if kind.namespaced and not target.namespace:
            raise method_not_allowed()
        options = write_options(request, "CreateOptions")
        sent = read_object(kind, request, options.validation)
        call.context.warn(*sent.warnings)
        review = sent.obj
        ensure_name_matches(review, NamespacedName(target.namespace, ""))
        if errors := list(kind.rules(review)):
            raise invalid_object(kind.kind, kind.group, review.metadata.name, errors)
        await _ANSWERS[kind](self, review, call.context.user)
        form = target.resource.form
        entry = Entry(form, target.namespace, form.stored(review), 0)
        return object_response(kind, request, entry, clock=self._clock, status=201)

    async def _access(self, review: Any, user: User) -> None:
        decision = await self._authorizers.authorize(user, _request_of(review.spec))
        status = review.status = type(review.status)()
        status.allowed, status.denied = decision.allowed, decision.effect == "denied"
        status.reason = decision.reason

    async def _subject(self, review: Any, _: User) -> None:
        spec = review.spec
        extra = {key: tuple(values) for key, values in spec.extra.items()}
        await self._access(review, User(spec.user, tuple(spec.groups), spec.uid, extra))

    async def _rules(self, review: Any, user: User) -> None:
        from fairlead.api.authorization.kind import NonResourceRule, ResourceRule, SubjectRulesReviewStatus

        if not review.spec.namespace:
            raise bad_request("no namespace on request")
        rules = await self._authorizers.rules_for(user, review.spec.namespace)
        review.status = SubjectRulesReviewStatus(
            resourceRules=[ResourceRule(**rule) for rule in rules.resource],
            nonResourceRules=[NonResourceRule(**rule) for rule in rules.non_resource],
            incomplete=rules.incomplete,
            evaluationError=rules.error,
        )

    async def _self(self, review: Any, user: User) -> None:
        review.status.userInfo = _info_of(user)

    async def _token(self, review: Any, _: User) -> None:
        from fairlead.api.authentication.kind import TokenReviewStatus

        spec = review.spec
        if not spec.token:
            raise bad_request("token is required for TokenReview in authentication")
        try:
            found = self._tokens.check(spec.token, spec.audiences or [self._issuer])
        except (InvalidToken, ValueError) as error:
            review.status = TokenReviewStatus(error=f"[invalid bearer token, {error}]")
            return
        review.status = TokenReviewStatus(
            authenticated=True, user=_info_of(found.user), audiences=list(found.audiences)
        )


_ANSWERS: dict[Kind[Any], _Answer] = {
    LOCAL_SUBJECT_ACCESS_REVIEW: Reviews._subject,
    SELF_SUBJECT_ACCESS_REVIEW: Reviews._access,
    SELF_SUBJECT_RULES_REVIEW: Reviews._rules,
    SUBJECT_ACCESS_REVIEW: Reviews._subject,
    SELF_SUBJECT_REVIEW: Reviews._self,
    TOKEN_REVIEW: Reviews._token,
}


def _info_of(user: User) -> UserInfo:
    from fairlead.api.authentication.kind import UserInfo

    extra = {key: list(values) for key, values in user.extra.items()}
    return UserInfo(username=user.name, uid=user.uid, groups=list(user.groups), extra=extra)


def _request_of(spec: SelfSubjectAccessReviewSpec) -> RequestInfo:
    """Returns the action of a review as authorizers expect it."""
    other = spec.nonResourceAttributes
    if other is not None:
        return RequestInfo(method=other.verb.upper(), path=other.path, verb=other.verb)
    resource = spec.resourceAttributes
    assert resource is not None
    return RequestInfo(
        method="",
        path="",
        verb=resource.verb,
        is_resource_request=True,
        api_group=resource.group,
        api_version=resource.version or "*",
        namespace=resource.namespace,
        resource=resource.resource,
        subresource=resource.subresource,
        name=resource.name,
        field_selector=_selector(resource.fieldSelector),
        label_selector=_selector(resource.labelSelector),
    )


def _selector(selector: FieldSelectorAttributes | LabelSelectorAttributes | None) -> str:
    """Returns a selector as in the query of a request. Requirements of other forms are left out: without them, the
    request is for more objects."""
    if selector is None:
        return ""
    if selector.rawSelector:
        return selector.rawSelector
    signs = {"In": "=", "NotIn": "!="}
    return ",".join(
        f"{need.key}{signs[need.operator]}{need.values[0]}"
        for need in selector.requirements
        if need.operator in signs and len(need.values) == 1
    )
