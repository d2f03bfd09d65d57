"""The Role kind: permissions within one namespace."""

from typing import Annotated

import msgspec

from fairlead.api.meta.columns import CREATED_AT, NAME
from fairlead.api.meta.types import Object, empty_list
from fairlead.api.rbac.policy import GROUP, PolicyRule, rule_errors
from fairlead.machinery.kinds.kind import Atomic, Doc, Kind


class Role(Object):
    """Permissions within one namespace, which a RoleBinding grants to users, groups and service accounts."""

    rules: Annotated[
        list[PolicyRule], Atomic(), Doc("Permissions of the role; a request is permitted if one rule permits it.")
    ] = msgspec.field(default_factory=empty_list)


ROLE = Kind(
    type=Role,
    created_by_update=True,
    kind="Role",
    group=GROUP,
    plural="roles",
    storage_path="roles",
    singular="role",
    name_rule="path-segment",
    columns=(NAME, CREATED_AT),
    rules=lambda role: rule_errors(role.rules, namespaced=True),
)
