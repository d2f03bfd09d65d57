"""Answers reviews of the client's own rights: `kubectl auth whoami`, `kubectl auth can-i`, `kubectl auth can-i
--list`.

The answers come from the authorizers that also decide about requests.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fairlead.api.authorization.reviews import (
    NonResourceAttributes,
    ResourceAttributes,
    SelfSubjectAccessReview,
    SelfSubjectRulesReview,
)
from fairlead.apiserver.auth.authorization import AuthorizerChain
from fairlead.apiserver.model import User
from fairlead.apiserver.requestinfo import RequestInfo
from fairlead.apiserver.serialization.body import read_as
from fairlead.machinery.kinds.decode import Target as Body
from fairlead.machinery.kinds.decode import encode, to_tree
from fairlead.machinery.values.status import FieldError, StatusError, bad_request, invalid, invalid_object
from fairlead.runtime.client import Request

_GROUP = "authorization.k8s.io"
_ACCESS = Body(SelfSubjectAccessReview, "SelfSubjectAccessReview", f"{_GROUP}/v1")
_RULES = Body(SelfSubjectRulesReview, "SelfSubjectRulesReview", f"{_GROUP}/v1")


class Reviews:
    """Answers the review resources, which are posted and never stored."""

    def __init__(self, authorizers: AuthorizerChain) -> None:
        self._authorizers = authorizers
        self._by_path: dict[str, Callable[[Request, User], Awaitable[bytes]]] = {
            "/apis/authentication.k8s.io/v1/selfsubjectreviews": self._who,
            f"/apis/{_GROUP}/v1/selfsubjectaccessreviews": self._access,
            f"/apis/{_GROUP}/v1/selfsubjectrulesreviews": self._rules,
        }

    def __contains__(self, path: str) -> bool:
        return path in self._by_path

    async def answer(self, path: str, request: Request, user: User) -> bytes:
        """Returns the completed review; `path` must be in this collection. Raises StatusError 400, 415, 422."""
        return await self._by_path[path](request, user)

    async def _who(self, _: Request, user: User) -> bytes:
        info: dict[str, Any] = {"username": user.name, "groups": list(user.groups)}
        if user.uid:
            info["uid"] = user.uid
        if user.extra:
            info["extra"] = {key: list(values) for key, values in user.extra.items()}
        return _answer("SelfSubjectReview", "authentication.k8s.io/v1", {"status": {"userInfo": info}})

    async def _access(self, request: Request, user: User) -> bytes:
        spec = read_as(_ACCESS, request).obj.spec
        decision = await self._authorizers.authorize(user, _asked(spec.resourceAttributes, spec.nonResourceAttributes))
        status: dict[str, Any] = {"allowed": decision.allowed}
        if decision.effect == "denied":
            status["denied"] = True
        if decision.reason:
            status["reason"] = decision.reason
        return _answer(_ACCESS.kind, _ACCESS.api_version, {"spec": to_tree(spec), "status": status})

    async def _rules(self, request: Request, user: User) -> bytes:
        spec = read_as(_RULES, request).obj.spec
        if not spec.namespace:
            raise bad_request("no namespace on request")
        rules = await self._authorizers.rules_for(user, spec.namespace)
        status = {
            "resourceRules": rules.resource,
            "nonResourceRules": rules.non_resource,
            "incomplete": rules.incomplete,
        }
        return _answer(_RULES.kind, _RULES.api_version, {"spec": to_tree(spec), "status": status})


def _asked(resource: ResourceAttributes | None, other: NonResourceAttributes | None) -> RequestInfo:
    """Returns the reviewed request as authorizers expect it. Raises StatusError 422."""
    if resource is not None and other is not None:
        why = "cannot be specified in combination with resourceAttributes"
        raise _refusal(invalid("spec.nonResourceAttributes", to_tree(other), why))
    if other is not None:
        return RequestInfo(method=other.verb.upper(), path=other.path, verb=other.verb)
    if resource is None:
        why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        raise _refusal(invalid("spec.resourceAttributes", None, why))
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
        field_selector=resource.fieldSelector.rawSelector if resource.fieldSelector else "",
        label_selector=resource.labelSelector.rawSelector if resource.labelSelector else "",
    )


def _refusal(error: FieldError) -> StatusError:
    return invalid_object(_ACCESS.kind, _GROUP, "", [error])


def _answer(kind: str, api_version: str, rest: dict[str, Any]) -> bytes:
    return encode({"kind": kind, "apiVersion": api_version, "metadata": {}} | rest)
