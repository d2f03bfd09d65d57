"""Refuses roles and bindings that would grant what their author may not do.

A user may write a role only with permissions that the user has, unless the verb `escalate` on the role is allowed; and
may bind a role only if the user has all of its permissions, or the verb `bind` on the role is allowed.

What must stay true: the check sees the object as it will be stored, after every plug-in that changes objects; hence
`validate` and not `admit`. Source: upstream's `policybased` storage of the group rbac.authorization.k8s.io.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from fairlead.api.rbac.binding import RoleRef
from fairlead.api.rbac.clusterrole.kind import CLUSTER_ROLE
from fairlead.api.rbac.clusterrolebinding.kind import CLUSTER_ROLE_BINDING
from fairlead.api.rbac.policy import ALL, GROUP, PolicyRule
from fairlead.api.rbac.role.kind import ROLE
from fairlead.api.rbac.rolebinding.kind import ROLE_BINDING
from fairlead.apiserver.admission.plugin import AdmissionPlugin, Attributes, Operation
from fairlead.apiserver.auth.authorization import Authorizer
from fairlead.apiserver.auth.modes import RoleBased
from fairlead.apiserver.auth.rbac.authorizer import MASTERS, aggregate
from fairlead.apiserver.auth.rbac.rules import describe_missing, missing, quoted
from fairlead.apiserver.requestinfo import RequestInfo
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.values.quoting import go_quote
from fairlead.machinery.values.status import not_found

_EVERYTHING = (
    PolicyRule(verbs=[ALL], apiGroups=[ALL], resources=[ALL]),
    PolicyRule(verbs=[ALL], nonResourceURLs=[ALL]),
)


class RoleEscalation(AdmissionPlugin):
    """Checks the author of a role or a binding."""

    name = "RoleEscalation"

    def __init__(self, roles: RoleBased, authorizer: Authorizer) -> None:
        self._roles = roles
        self._authorizer = authorizer

    def handles(self, operation: Operation, kind: Kind[Any], subresource: str) -> bool:
        return (
            operation in ("CREATE", "UPDATE")
            and not subresource
            and kind in (ROLE, CLUSTER_ROLE, ROLE_BINDING, CLUSTER_ROLE_BINDING)
        )

    async def validate(self, attributes: Attributes) -> None:
        """Raises StatusError 403, or 404 if the role of a binding does not exist."""
        if MASTERS in attributes.user.groups or _changes_only_lifetime(attributes):
            return
        if attributes.kind in (ROLE, CLUSTER_ROLE):
            await self._check_role(attributes)
        else:
            await self._check_binding(attributes)

    async def _check_role(self, attributes: Attributes) -> None:
        kind, info = attributes.kind, attributes.context.info
        if await self._may(attributes, "escalate", kind.plural, info.name, info.namespace):
            return
        self._check_rules(attributes, attributes.obj.rules)
        if any(_aggregates(role) for role in (attributes.obj, attributes.old)) and self._missing(
            attributes, _EVERYTHING
        ):
            raise attributes.denied("must have cluster-admin privileges to use the aggregationRule")

    async def _check_binding(self, attributes: Attributes) -> None:
        ref: RoleRef = attributes.obj.roleRef
        plural = "roles" if ref.kind == "Role" else "clusterroles"
        if await self._may(attributes, "bind", plural, ref.name, attributes.namespace):
            return
        rules = self._roles.index.rules_of(ref, attributes.namespace)
        if rules is None:
            raise not_found(plural, GROUP, ref.name)
        self._check_rules(attributes, rules)

    async def _may(self, attributes: Attributes, verb: str, plural: str, name: str, namespace: str) -> bool:
        info = RequestInfo(
            method="",
            path="",
            verb=verb,
            is_resource_request=True,
            api_group=GROUP,
            api_version=ALL,
            resource=plural,
            name=name,
            namespace=namespace,
        )
        return (await self._authorizer.authorize(attributes.user, info)).allowed

    def _missing(self, attributes: Attributes, rules: Sequence[PolicyRule]) -> list[PolicyRule]:
        owned, _ = self._roles.authorizer.rules_of(attributes.user, attributes.namespace)
        return missing(owned, rules)

    def _check_rules(self, attributes: Attributes, rules: Sequence[PolicyRule]) -> None:
        """Raises StatusError 403 if the user does not have all permissions of the rules."""
        user = attributes.user
        owned, errors = self._roles.authorizer.rules_of(user, attributes.namespace)
        lacking = missing(owned, rules)
        if lacking:
            text = (
                f"user {go_quote(user.name)} (groups={quoted(user.groups)}) is attempting to grant RBAC permissions "
                f"not currently held:\n{describe_missing(lacking)}"
            )
            raise attributes.denied(f"{text}; resolution errors: {aggregate(errors)}" if errors else text)


def _aggregates(role: Any) -> bool:
    rule = getattr(role, "aggregationRule", None)
    return rule is not None and bool(rule.clusterRoleSelectors)


def _changes_only_lifetime(attributes: Attributes) -> bool:
    """Returns whether an update changes only what the garbage collector needs to delete the object."""
    old, new = attributes.old, attributes.obj
    if old is None:
        return False
    meta = msgspec.structs.replace(
        new.metadata,
        ownerReferences=old.metadata.ownerReferences,
        finalizers=old.metadata.finalizers,
        managedFields=old.metadata.managedFields,
        resourceVersion=old.metadata.resourceVersion,
    )
    return bool(msgspec.structs.replace(new, metadata=meta, kind=old.kind, apiVersion=old.apiVersion) == old)
