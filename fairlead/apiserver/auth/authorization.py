"""Authorization: a list of authorizers; the first that allows or denies a request decides.

`modes` has the built-in lists. Here are those of the mode AlwaysAllow: every authenticated user may do everything, and
some paths are public.
"""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from typing import Any, Literal, Protocol, runtime_checkable

from fairlead.apiserver.auth.authentication import unauthorized
from fairlead.apiserver.model import ANONYMOUS, User
from fairlead.apiserver.requestinfo import RequestInfo
from fairlead.base.dataclass import dataclass, field
from fairlead.machinery.values.status import StatusError, forbidden_object

Effect = Literal["allowed", "denied", "no opinion"]


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision of an authorizer; a later one cannot overrule `denied`, but can overrule `no opinion`."""

    effect: Effect
    reason: str = ""

    @property
    def allowed(self) -> bool:
        return self.effect == "allowed"


class Authorizer(Protocol):
    async def authorize(self, user: User, info: RequestInfo) -> Decision: ...


@dataclass(frozen=True, slots=True)
class Rules:
    """The permissions of a user in a namespace, as far as they can be listed; the entries are JSON trees of
    SelfSubjectRulesReview."""

    resource: list[dict[str, Any]] = field(default_factory=list)
    non_resource: list[dict[str, Any]] = field(default_factory=list)
    incomplete: bool = False
    error: str = ""
    """The problems that hid some rules."""


@runtime_checkable
class RuleResolver(Protocol):
    """An authorizer that can also list the requests that it allows."""

    async def rules_for(self, user: User, namespace: str) -> Rules: ...


class AuthorizerChain:
    """Asks several authorizers in order. Implements `Authorizer` and `RuleResolver`."""

    def __init__(self, authorizers: Sequence[Authorizer]) -> None:
        self._authorizers = tuple(authorizers)

    async def authorize(self, user: User, info: RequestInfo) -> Decision:
        """Returns the first decision; if no authorizer has an opinion, the reasons of all."""
        reasons: list[str] = []
        for authorizer in self._authorizers:
            decision = await authorizer.authorize(user, info)
            if decision.effect != "no opinion":
                return decision
            if decision.reason:
                reasons.append(decision.reason)
        return Decision("no opinion", "\n".join(reasons))

    async def rules_for(self, user: User, namespace: str) -> Rules:
        """Returns the rules of all authorizers; incomplete if an authorizer cannot list its rules."""
        resource: list[dict[str, Any]] = []
        non_resource: list[dict[str, Any]] = []
        incomplete = False
        errors: list[str] = []
        for authorizer in self._authorizers:
            if not isinstance(authorizer, RuleResolver):
                incomplete = True
                continue
            rules = await authorizer.rules_for(user, namespace)
            resource += rules.resource
            non_resource += rules.non_resource
            incomplete = incomplete or rules.incomplete
            errors += [rules.error] if rules.error else []
        return Rules(resource, non_resource, incomplete, ", ".join(errors))


class KnownUsers:
    """Allows every authenticated user everything. Implements `Authorizer` and `RuleResolver`."""

    async def authorize(self, user: User, info: RequestInfo) -> Decision:
        return _KNOWN if _is_known(user) else _NO_OPINION

    async def rules_for(self, user: User, namespace: str) -> Rules:
        if not _is_known(user):
            return Rules()
        return Rules(
            [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
            [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
        )


class PublicPaths:
    """Allows every user to read health and version. Implements `Authorizer` and `RuleResolver`."""

    async def authorize(self, user: User, info: RequestInfo) -> Decision:
        """Raises StatusError 401 for an anonymous request of another path: this mode knows no rights of strangers."""
        public = info.path in _PUBLIC or info.path.startswith(_PUBLIC_PREFIXES)
        if not public and user is ANONYMOUS:
            raise unauthorized()
        return _PUBLIC_PATH if public else _NO_OPINION

    async def rules_for(self, user: User, namespace: str) -> Rules:
        paths = [*sorted(_PUBLIC), *(f"{prefix}*" for prefix in _PUBLIC_PREFIXES)]
        return Rules([], [{"verbs": ["*"], "nonResourceURLs": paths}])


_PUBLIC = frozenset({"/healthz", "/livez", "/readyz", "/version"})
_PUBLIC_PREFIXES = ("/healthz/", "/livez/", "/readyz/")
_NO_OPINION = Decision("no opinion")
_PUBLIC_PATH = Decision("allowed", "the path is public")
_KNOWN = Decision("allowed", "every known user may do everything")
ALWAYS_ALLOW: tuple[Authorizer, ...] = (KnownUsers(), PublicPaths())


def _is_known(user: User) -> bool:
    return "system:unauthenticated" not in user.groups


def refusal(user: User, info: RequestInfo, reason: str) -> StatusError:
    """Returns the error for a request that is not allowed, with upstream's text."""
    who = f"User {json.dumps(user.name, ensure_ascii=False)} cannot {info.verb}"
    if info.is_resource_request:
        place = f"in the namespace {json.dumps(info.namespace)}" if info.namespace else "at the cluster scope"
        resource, group = json.dumps(info.qualified_resource), json.dumps(info.api_group)
        text = f"{who} resource {resource} in API group {group} {place}"
    else:
        text = f"{who} path {json.dumps(info.path, ensure_ascii=False)}"
    why = html.escape(text, quote=False)
    return forbidden_object(info.resource, info.api_group, info.name, f"{why}: {reason}" if reason else why)
