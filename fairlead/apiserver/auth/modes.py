"""The authorization modes, and the authorizers of each."""

from __future__ import annotations

from typing import Literal

from fairlead.apiserver.auth.authorization import ALWAYS_ALLOW, Authorizer
from fairlead.apiserver.auth.node.authorizer import NodeAuthorizer
from fairlead.apiserver.auth.node.graph import NodeGraph
from fairlead.apiserver.auth.rbac.authorizer import PrivilegedGroup, RbacAuthorizer
from fairlead.apiserver.auth.rbac.index import RoleIndex
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.base.dataclass import dataclass

AuthorizationMode = Literal["RBAC", "AlwaysAllow"]


@dataclass(frozen=True, slots=True)
class RoleBased:
    """The parts of role-based access control. They exist in every mode, because roles can be written in every mode."""

    index: RoleIndex
    authorizer: RbacAuthorizer


def role_based(resources: Resources) -> RoleBased:
    index = RoleIndex(resources)
    return RoleBased(index, RbacAuthorizer(index))


def authorizers_of(mode: AuthorizationMode, roles: RoleBased, resources: Resources) -> tuple[Authorizer, ...]:
    """Returns the authorizers in upstream's order."""
    if mode == "AlwaysAllow":
        return ALWAYS_ALLOW
    return PrivilegedGroup(), NodeAuthorizer(NodeGraph(resources)), roles.authorizer
