"""The RBAC authorizer, and the group that may do everything without any role."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fairlead.api.rbac.policy import PolicyRule
from fairlead.apiserver.auth.authorization import Decision, Rules
from fairlead.apiserver.auth.rbac.index import RoleIndex
from fairlead.apiserver.model import User
from fairlead.apiserver.requestinfo import RequestInfo

MASTERS = "system:masters"
_NO_OPINION = Decision("no opinion")
_PRIVILEGED = Decision("allowed")


class PrivilegedGroup:
    """Allows the members of `system:masters` everything. Implements `Authorizer` and `RuleResolver`.

    The server's own requests are made by a member, so that no change of roles can lock the server out.
    """

    async def authorize(self, user: User, info: RequestInfo) -> Decision:
        return _PRIVILEGED if MASTERS in user.groups else _NO_OPINION

    async def rules_for(self, user: User, namespace: str) -> Rules:
        """Returns no rules: the role `cluster-admin` lists what the group may do."""
        return Rules()


class RbacAuthorizer:
    """Allows what roles bound to the user permit. Implements `Authorizer` and `RuleResolver`."""

    def __init__(self, index: RoleIndex) -> None:
        self._index = index

    async def authorize(self, user: User, info: RequestInfo) -> Decision:
        permissions = self._index.permissions(user, "")
        found = permissions.find(info)
        if found is not None:
            return found
        errors = permissions.errors
        if info.namespace:
            permissions = self._index.permissions(user, info.namespace)
            found = permissions.find(info)
            if found is not None:
                return found
            errors += permissions.errors
        return Decision("no opinion", f"RBAC: {aggregate(errors)}") if errors else _NO_OPINION

    async def rules_for(self, user: User, namespace: str) -> Rules:
        rules, errors = self.rules_of(user, namespace)
        return Rules(
            [_resource_rule(rule) for rule in rules if rule.resources],
            [{"verbs": rule.verbs, "nonResourceURLs": rule.nonResourceURLs} for rule in rules if rule.nonResourceURLs],
            error=aggregate(errors) if errors else "",
        )

    def rules_of(self, user: User, namespace: str) -> tuple[list[PolicyRule], list[str]]:
        """Returns the user's rules in a namespace and in the whole cluster, and why some could not be found."""
        scopes = [self._index.permissions(user, scope) for scope in dict.fromkeys(("", namespace))]
        return [rule for one in scopes for rule in one.rules], [text for one in scopes for text in one.errors]


def _resource_rule(rule: PolicyRule) -> dict[str, Any]:
    tree = {"verbs": rule.verbs, "apiGroups": rule.apiGroups, "resources": rule.resources}
    return tree | ({"resourceNames": rule.resourceNames} if rule.resourceNames else {})


def aggregate(errors: Sequence[str]) -> str:
    """Returns several texts as one, as upstream's `Aggregate` does."""
    texts = list(dict.fromkeys(errors))
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
