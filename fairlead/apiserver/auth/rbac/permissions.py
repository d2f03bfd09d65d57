"""The permissions of one user in one scope, compiled so that a decision costs a few lookups.

What must stay true: the result is that of asking every rule in turn (`rules.allows`); tests compare the two. A rule
that multiplies to very many combinations is not expanded, so that no role can fill the memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fairlead.api.rbac.policy import ALL, PolicyRule
from fairlead.apiserver.auth.authorization import Decision
from fairlead.apiserver.auth.rbac.rules import allows
from fairlead.apiserver.requestinfo import RequestInfo

_MOST_COMBINATIONS = 512


class _Grant:
    """The decisions of the rules for one verb, group and resource."""

    __slots__ = ("always", "by_name")

    def __init__(self) -> None:
        self.always: Decision | None = None
        self.by_name: dict[str, Decision] = {}


class Permissions:
    """The permissions of some rules. `rules` are pairs of rules and the binding that grants them, as a text."""

    __slots__ = ("_grants", "_others", "errors", "rules")

    def __init__(self, rules: Iterable[tuple[Sequence[PolicyRule], str]], errors: Sequence[str] = ()) -> None:
        self.errors = tuple(errors)
        """The problems that hid some rules, e.g. a role that does not exist."""
        self.rules: list[PolicyRule] = []
        self._grants: dict[tuple[str, str, str], _Grant] = {}
        self._others: list[tuple[PolicyRule, Decision]] = []
        """Rules about paths, and rules with too many combinations."""
        for granted, source in rules:
            decision = Decision("allowed", f"RBAC: allowed by {source}")
            for rule in granted:
                self.rules.append(rule)
                self._add(rule, decision)

    def _add(self, rule: PolicyRule, decision: Decision) -> None:
        count = len(rule.verbs) * len(rule.apiGroups) * len(rule.resources)
        if rule.nonResourceURLs or count > _MOST_COMBINATIONS:
            self._others.append((rule, decision))
        if count > _MOST_COMBINATIONS:
            return
        for verb in rule.verbs:
            for group in rule.apiGroups:
                for resource in rule.resources:
                    grant = self._grants.setdefault((verb, group, resource), _Grant())
                    for name in rule.resourceNames:
                        grant.by_name.setdefault(name, decision)
                    if not rule.resourceNames and grant.always is None:
                        grant.always = decision

    def find(self, info: RequestInfo) -> Decision | None:
        """Returns the decision of a rule that allows the request, or None."""
        if info.is_resource_request:
            name, grants = info.name, self._grants
            for verb in (info.verb, ALL):
                for group in (info.api_group, ALL):
                    for resource in _patterns(info):
                        grant = grants.get((verb, group, resource))
                        if grant is not None and (found := grant.always or grant.by_name.get(name)) is not None:
                            return found
        for rule, decision in self._others:
            if allows(rule, info):
                return decision
        return None


def _patterns(info: RequestInfo) -> tuple[str, ...]:
    """Returns the resources in rules that match the request."""
    if info.subresource:
        return info.qualified_resource, f"*/{info.subresource}", ALL
    return info.resource, ALL
